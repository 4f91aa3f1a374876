"""``--broker-only``: a broker to try things on, for as long as one wants it."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from callmq_demo.broker import BrokerError, find_broker

if TYPE_CHECKING:
    from callmq_demo.interrupts import Interrupts

UNREACHABLE = 3


def run(interrupts: Interrupts) -> int:
    """Start a broker, write the shell's line with its URL on standard output, and wait for a signal."""
    with contextlib.ExitStack() as stack:
        try:
            broker = find_broker()
            stack.push(broker)  # before it is entered: its end is harmless then, and an interruption in between is not
            print("Starting a broker; Ctrl-C ends it and all that is in it.", file=sys.stderr, flush=True)
            broker.__enter__()
            print(f"export CALLMQ_AMQP_URL={broker.amqp_url}", flush=True)
            signal.pause()
        except BrokerError as error:
            print(f"callmq demo: {error}", file=sys.stderr)
        finally:
            interrupts.only_note()
    return UNREACHABLE
