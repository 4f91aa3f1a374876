"""What a test can't do without."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Fail where the machine is ours to furnish (CI), skip with the reason elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI may not do without", pytrace=False)
    pytest.skip(f"{what} is missing")
