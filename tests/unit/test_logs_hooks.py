"""What logging takes over in a process, and gives back."""

import io
import json
import logging
import os
import subprocess
import sys
import threading

from callmq_worker.adapters.logs import clean, forget_secret, register_secret, setup_logs


def test_warnings_and_the_uncaught_exception_of_a_program_are_lines_too():
    program = (
        "from callmq_worker.adapters.logs import setup_logs, register_secret\n"
        "setup_logs('INFO', 'json'); register_secret('PTcanary')\n"
        "import warnings; warnings.warn('for +15551234567')\n"
        "def main(token): raise RuntimeError(f'{token} for +15551234567')\n"
        "main('PTcanary')\n"
    )
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert ran.returncode == 1
    warning, event = map(json.loads, ran.stderr.splitlines())
    assert (warning["level"], warning["logger"]) == ("WARNING", "py.warnings")
    assert "for ***67" in warning["message"]
    assert (event["level"], event["message"]) == ("CRITICAL", "uncaught exception")
    assert event["exception"]["message"] == "[redacted] for ***67"


def test_undo_gives_back_what_was_there():
    before = (logging.getLogger().handlers[:], sys.excepthook, threading.excepthook, logging.getLogger("httpx").level)
    plain = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(plain)
    undo = setup_logs("INFO", "json", io.StringIO())
    assert plain not in logging.getLogger().handlers
    undo()
    assert plain in logging.getLogger().handlers
    logging.getLogger().removeHandler(plain)
    after = (logging.getLogger().handlers[:], sys.excepthook, threading.excepthook, logging.getLogger("httpx").level)
    assert after == before


def test_a_credential_that_was_forgotten_is_looked_for_no_more_and_the_others_are():
    for word in ("PTformer", "PTpresent"):
        register_secret(word)
    forget_secret("PTformer")
    forget_secret("PTnever-known")
    assert clean("PTformer, PTpresent") == "PTformer, [redacted]"
