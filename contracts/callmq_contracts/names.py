"""Every name on the broker, from one prefix."""

import re
from dataclasses import dataclass
from typing import Final

DEFAULT_ACCOUNT: Final = "default"
DIAL: Final = "dial"
PREFIX_PATTERN: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Names:
    """The exchanges and queues under one prefix."""

    prefix: str = "callmq"

    @property
    def commands(self) -> str:
        """Exchange to which producers publish; routing key = the command's name."""
        return f"{self.prefix}.commands"

    @property
    def unrouted(self) -> str:
        """Alternate exchange and queue of routing keys that no lane takes."""
        return f"{self.prefix}.unrouted"

    @property
    def dial(self) -> str:
        """Queue that all dials come through; those that have to wait do so in the lanes of their account."""
        return f"{self.prefix}.dial"

    def dial_lane(self, account: str, number: int) -> str:
        """Queue of dials of one account that wait for their turn, numbered from 1."""
        return f"{self.prefix}.dial.{account}.{number}"

    @property
    def live(self) -> str:
        """Exchange that parts the commands on live calls by account."""
        return f"{self.prefix}.live"

    @property
    def control(self) -> str:
        """Exchange and queue of commands on live calls whose account has no control lane of its own."""
        return f"{self.prefix}.control"

    def control_of(self, account: str) -> str:
        """Queue of the control lane of an account."""
        return self.control if account == DEFAULT_ACCOUNT else f"{self.prefix}.control.{account}"

    def calls_of(self, account: str) -> str:
        """Exchange that spreads an account's commands on live calls over the shards of its control lane, by call."""
        return f"{self.prefix}.calls.{account}"

    def control_shard(self, account: str, number: int) -> str:
        """Queue of a shard of an account's control lane, numbered from 1."""
        return f"{self.prefix}.control.{account}.{number}"

    @property
    def returned(self) -> str:
        """Exchange and queue of what the broker itself took out of a lane: expired, or delivered too often."""
        return f"{self.prefix}.returned"

    @property
    def dead(self) -> str:
        """Exchange and queue of what will never be done."""
        return f"{self.prefix}.dead"

    @property
    def unknown(self) -> str:
        """Queue of commands whose outcome is unknown."""
        return f"{self.prefix}.unknown"

    @property
    def replies(self) -> str:
        """Exchange of the replies."""
        return f"{self.prefix}.replies"

    @property
    def events(self) -> str:
        """Exchange of the endpoint's status callbacks."""
        return f"{self.prefix}.events"

    def retry(self, tier: str) -> str:
        """Exchange and queue of one delay tier, such as ``5s``."""
        return f"{self.prefix}.retry.{tier}"
