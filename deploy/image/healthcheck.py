# ruff: noqa: INP001 - a script, copied into the image on its own
"""Exit code 0 if the worker of this container answers 200 to ``/livez``, or to the path that is given."""

import http.client
import os
import sys

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
_SECONDS = 3.0


def answer(address: str, path: str) -> int:
    """Return the status that the health address (``host:port``, ``[::1]:port``, ``:port``) answers with."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), int(port), timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def main() -> int:
    """Ask once; an address that is ``off`` has nothing to say and counts as well."""
    address = os.environ.get("CALLMQ_HEALTH_ADDR", "127.0.0.1:8087")
    path = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    if address.strip().lower() == "off":
        return 0
    try:
        return int(answer(address.strip(), path) != http.client.OK)
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{address}{path}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
