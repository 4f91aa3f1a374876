"""Credentials that change while a worker runs: their files are looked at, and the next request uses what they hold."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from callmq_worker.adapters.secret_files import SecretFiles, SecretUnfitError
from callmq_worker.addresses import AccountSettings

LOG = logging.getLogger("callmq.rotation")
LOOK_EVERY: Final = 2.0
REMEMBERED: Final = 4  # former credentials of an account: requests may be under way with one, and logs may not tell it


class Rotation:
    """Looks at the files of credentials every few seconds, in a thread that the end of the process does not wait for.

    ``renew`` is called in the loop with an account and its new credentials, ``forget`` with one whose credentials are
    long out of use. A file that can't be used changes nothing.
    """

    def __init__(
        self,
        accounts: Iterable[AccountSettings],
        renew: Callable[[AccountSettings], None],
        forget: Callable[[AccountSettings], None],
        every: float | None = None,
    ) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._former: dict[str, deque[AccountSettings]] = {name: deque() for name in self._accounts}
        self._files = {name: SecretFiles(paths) for name, a in self._accounts.items() if (paths := _paths(a))}
        self._renew = renew
        self._forget = forget
        self._every = LOOK_EVERY if every is None else every
        self._over = threading.Event()

    def begin(self) -> None:
        """Start to look. Where no credential is in a file, there is no thread."""
        if self._files:
            told = (asyncio.get_running_loop(),)
            threading.Thread(target=self._watch, args=told, name="callmq-secrets", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._over.wait(self._every):
            for name, files in self._files.items():
                found: Mapping[str, str] | SecretUnfitError | None
                try:
                    found = files.look()
                except SecretUnfitError as error:
                    found = error
                if found is not None:
                    with suppress(RuntimeError):  # the loop was closed: nobody needs it any more
                        loop.call_soon_threadsafe(self.hear, name, found)

    def hear(self, name: str, found: Mapping[str, str] | SecretUnfitError) -> None:
        """Take over what an account's files hold by now."""
        if isinstance(found, SecretUnfitError):
            told = {"account": name, "file": f"{found.name}_file", "reason": found.reason}
            LOG.warning("credential file can't be used, the former credential stays", extra={"fields": told})
            return
        former = self._accounts[name]
        account = replace(
            former,
            project_id=found.get("project_id", former.project_id),
            api_token=found.get("api_token", former.api_token),
        )
        if account == former:
            return
        self._accounts[name] = account
        self._renew(account)
        LOG.info("credentials renewed", extra={"fields": {"account": name}})
        self._former[name].append(former)
        if len(self._former[name]) > REMEMBERED:
            self._drop(self._former[name].popleft())

    def _drop(self, gone: AccountSettings) -> None:
        used = {account.api_token for account in self._accounts.values()}
        used |= {account.api_token for former in self._former.values() for account in former}
        if gone.api_token not in used:
            self._forget(gone)


def _paths(account: AccountSettings) -> dict[str, str]:
    given = {"project_id": account.project_id_file, "api_token": account.api_token_file}
    return {name: path for name, path in given.items() if path is not None}
