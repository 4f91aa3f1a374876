"""Feed the decoder with bytes that a coverage-guided fuzzer invents: ``make fuzz``, with SECONDS=60 unless told.

Each input must end in a command or a problem, without an exception, within two seconds (the instrumentation slows it
down) and 512 MiB. An input that makes it fail is kept in ``.cache``, under the name that is printed. Those that reached
something new lie in ``.cache/fuzz``, so that the next run begins where this one ended.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed by make fuzz only
import orjson

with atheris.instrument_imports(include=["callmq_contracts"]):
    from callmq_contracts import EXAMPLES, MAX_BODY_BYTES, Command, Rejected, decode
    from callmq_contracts.extra import parse_extra_commands

EXTRA = parse_extra_commands("calling.new_thing=30s")
CORPUS = Path(__file__).parents[2] / ".cache" / "fuzz"


def judge(body: bytes) -> None:
    """Judge one input as a worker does, with a key and without, and with every leniency off."""
    for judged in (decode(body), decode(body, key="k", extra=EXTRA), decode(body, leniencies=frozenset())):
        match judged:
            case Command():
                judged.fingerprint(b"secret")
                stays_as_it_is(judged)
            case Rejected():
                orjson.dumps(judged.problem.as_dict())
            case _:
                raise TypeError("neither a command nor a problem")


def stays_as_it_is(command: Command) -> None:
    """Judge what would be sent: it must be the same command, with nothing left to mend but its status alone."""
    if len(command.wire()) <= MAX_BODY_BYTES:
        again = decode(command.wire(), leniencies=frozenset({"update_status_only"}), extra=EXTRA)
        if not isinstance(again, Command) or again.body != command.body:
            raise ValueError("what is sent is not what was judged")


def seeded() -> Path:
    """Write the project's examples into the corpus; the answer is a dictionary of the words that bodies are made of."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    words = {*EXAMPLES}
    for name, bodies in EXAMPLES.items():
        for number, body in enumerate(bodies):
            (CORPUS / f"{name}-{number}").write_bytes(orjson.dumps(body))
            words |= {*body, *body["params"]}
    odd = ("NaN", "1e999", "null", '\\"', "\\\\ud800", "[[[[", "{}", "1" * 30, "-9223372036854775809")
    path = CORPUS.with_suffix(".dict")
    path.write_text("".join(f'"{word}"\n' for word in (*(f'\\"{word}\\"' for word in sorted(words)), *odd)))
    return path


def main() -> None:
    """Run for so many seconds."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    words = seeded()
    limits = [f"-max_total_time={seconds}", f"-max_len={MAX_BODY_BYTES + 64}", "-timeout=2", "-rss_limit_mb=512"]
    atheris.Setup([sys.argv[0], *limits, f"-dict={words}", f"-artifact_prefix={CORPUS.parent}/", str(CORPUS)], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
