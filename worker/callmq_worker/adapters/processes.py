"""Several worker processes under one parent: started, watched, started again when one ends, and stopped together."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from callmq_worker.adapters.health import Metric, Sample
from callmq_worker.adapters.reports import Report

LOG: Final = logging.getLogger("callmq.processes")
SILENCE: Final = 30.0  # seconds without a report after which a process is taken for hung
STARTING: Final = 4  # times as long
_QUIET: Final = 2
STEADY: Final = 10.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
MARGIN: Final = 15.0  # seconds beyond the grace that a process has for its end
WRONG_SETTINGS: Final = 2
_LINE: Final = 4 * 1_048_576


@dataclass(slots=True)
class Process:
    """One place for a process: who has it now, and what came of those before. ``number`` counts from 1."""

    number: int
    child: asyncio.subprocess.Process | None = None
    report: Report | None = None
    worked: bool = False  # it has reported, now or before
    starts: int = 0
    code: int | None = None


@dataclass(slots=True)
class Processes:
    """Keeps ``count`` processes at work. ``command`` starts one, and gets ``--report-to FD`` as its last words.

    ``grace`` in seconds: how long one may take for what is in flight once it was told to stop. A process that ends
    by itself is started again, after a pause that grows while it fails at once; the others go on. One that says
    nothing for ``silence`` seconds (four times that at its start) is killed, and counts as ended: its deliveries go to
    the others.
    """

    count: int
    command: Sequence[str]
    environment: Mapping[str, str]
    grace: float
    silence: float = SILENCE
    _places: list[Process] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _wrong: bool = False

    async def run(self) -> int:
        """Work until `stop`. Returns the verb's exit code: 0 all settled, 1 something was not, 2 wrong settings."""
        self._places = [Process(n) for n in range(1, self.count + 1)]
        try:
            await asyncio.gather(*(self._keep(place) for place in self._places))
        finally:
            for place in self._places:
                _tell(place, signal.SIGKILL)  # only after a fault of ours is there still one
        if self._wrong:
            return WRONG_SETTINGS
        return 0 if all(place.code == 0 for place in self._places) else 1

    def stop(self) -> None:
        """Let each process settle what it has and end; called again, stop them at once.

        SIGTERM may reach a process twice, from us and from who signals the whole group, so it never means "at once".
        """
        again = self._stop.is_set()
        self._stop.set()
        for place in self._places:
            _tell(place, signal.SIGINT if again else signal.SIGTERM)

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all processes do their work, and what is in the way of which."""
        faults: dict[str, Any] = {}
        for place in self._places:
            if place.report is None:
                faults[f"process {place.number}"] = "starting"
            elif not place.report.ready:
                faults[f"process {place.number}"] = place.report.failing or "not ready"
        return bool(self._places) and not faults and not self._stop.is_set(), faults

    def metrics(self) -> tuple[Metric, ...]:
        """Return what ``/metrics`` shows: each process's own metrics, labelled with its number, and their restarts."""
        told: dict[str, Metric] = {}
        for place in self._places:
            for metric in place.report.metrics if place.report else ():
                ours = [Sample(s.value, {**s.labels, "process": str(place.number)}) for s in metric.samples]
                known = told[metric.name].samples if metric.name in told else ()
                told[metric.name] = Metric(metric.name, metric.kind, metric.help, (*known, *ours))
        restarts = [Sample(max(0, p.starts - 1), {"process": str(p.number)}) for p in self._places]
        described = "Processes that ended by themselves and were started again."
        return (*told.values(), Metric("callmq_process_restarts_total", "counter", described, restarts))

    async def _keep(self, place: Process) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                place.code = await self._live(place)
            except OSError as error:
                place.code = 1
                told = {"process": place.number, "reason": error.strerror}
                LOG.error("process can't be started", extra={"fields": told})  # noqa: TRY400
            if self._stop.is_set():
                return
            if place.code == WRONG_SETTINGS and not place.worked:
                self._wrong = True
                self.stop()
                return
            fields = {"process": place.number, "exit_code": place.code}
            LOG.error("process ended, another is started", extra={"fields": fields})
            if time.monotonic() - began > STEADY:
                pause = FIRST_PAUSE
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                pause = min(LONGEST_PAUSE, 2 * pause)

    async def _live(self, place: Process) -> int:
        """Start a process and return its exit code once it has ended. Raises OSError where it can't be started."""
        reader, writer = await self._start(place)
        listening = asyncio.create_task(self._listen(place, reader))
        ending = asyncio.create_task(self._end_in_time(place))
        try:
            if self._stop.is_set():
                _tell(place, signal.SIGTERM)
            assert place.child is not None  # noqa: S101 - it was started just now
            code = await place.child.wait()
            return 0 if code == -signal.SIGTERM and place.report is None else code  # nothing was begun
        finally:
            for task in (listening, ending):
                task.cancel()
            await asyncio.gather(listening, ending, return_exceptions=True)
            writer.close()
            place.child = place.report = None

    async def _start(self, place: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                words = (*self.command, "--report-to", str(theirs.fileno()))
                # A session of its own: Ctrl-C in a terminal reaches the parent alone, which passes it on once.
                place.child = await asyncio.create_subprocess_exec(
                    *words, env=dict(self.environment), pass_fds=(theirs.fileno(),), start_new_session=True
                )
        except BaseException:
            ours.close()
            raise
        place.starts += 1
        return await asyncio.open_connection(sock=ours, limit=_LINE)

    async def _listen(self, place: Process, reader: asyncio.StreamReader) -> None:
        quiet = 0
        while quiet < _QUIET:
            try:
                async with asyncio.timeout(self.silence / _QUIET * (1 if place.report else STARTING)):
                    line = await reader.readline()
            except TimeoutError:
                quiet += 1  # once is not enough: whoever stopped us as well wakes to a report and a timer
                continue
            if not line:
                place.report = None
                await asyncio.sleep(self.silence)
                break
            place.report, place.worked, quiet = Report.load(line), True, 0
        LOG.error("process says nothing, killed", extra={"fields": {"process": place.number}})
        _tell(place, signal.SIGKILL)

    async def _end_in_time(self, place: Process) -> None:
        await self._stop.wait()
        await asyncio.sleep(self.grace + MARGIN)
        LOG.error("process does not end, killed", extra={"fields": {"process": place.number}})
        _tell(place, signal.SIGKILL)


def command() -> tuple[str, ...]:
    """Return how this program starts a worker."""
    return (sys.executable, "-m", "callmq", "work")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of each process: the parent alone answers probes."""
    own = {"CALLMQ_HEALTH_ADDR": "off"}
    return {n: v for n, v in given.items() if n.removesuffix("_FILE") not in own} | own


def _tell(place: Process, number: signal.Signals) -> None:
    if place.child is not None and place.child.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(place.child.pid, number)
