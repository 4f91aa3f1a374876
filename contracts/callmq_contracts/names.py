"""Every name on the broker, from one prefix."""

import re
from dataclasses import dataclass
from typing import Final

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
        """Queue of the dial lane."""
        return f"{self.prefix}.dial"

    @property
    def control(self) -> str:
        """Queue of the control lane: commands on live calls."""
        return f"{self.prefix}.control"

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
