import orjson
import pytest


@pytest.fixture(scope="session")
def as_bytes():
    return orjson.dumps
