"""``callmq topology``: declare, verify or export the exchanges and queues."""

import argparse
import os
from collections import Counter
from typing import Final

from callmq_worker.adapters.management import vhost_of
from callmq_worker.cli.words import EXIT_NO, EXIT_OK, perform, print_json, print_rows, say
from callmq_worker.core.layout import HASH_PLUGIN, definitions
from callmq_worker.core.picture import mermaid
from callmq_worker.opening import as_offered, management_url, opened_ground, opened_management, wanted_layout
from callmq_worker.operations import topology
from callmq_worker.operations.topology import Finding
from callmq_worker.rates import MOST_DIAL_LANES
from callmq_worker.settings import Settings, load

HELP: Final = "declare, verify or export the exchanges and queues"
_ABOUT: Final = """\
declare  makes what is missing, as a worker does at each connect, and says what is there and what is wrong
verify   looks and changes nothing; with CALLMQ_MANAGEMENT_URL also at arguments, policies and bindings
export   prints the broker's definitions JSON, for a broker whose workers may not configure:
           callmq topology export > callmq.json
           curl -u admin -H 'content-type: application/json' -d @callmq.json \\
                http://host:15672/api/definitions/VHOST

picture  prints the layout as a Mermaid flowchart

Needs CALLMQ_AMQP_URL (export and picture do without), and CALLMQ_PREFIX, CALLMQ_RETRY_TIERS, CALLMQ_CONFIG and
CALLMQ_CONTROL_SHARDS as the workers have them: each account of the file has a control lane of its own, with so
many shards.
Exit codes: 0 all is there, 1 something is missing or different, 2 wrong usage, 3 the broker could not be reached."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.add_argument("act", choices=("declare", "verify", "export", "picture"))
    parser.add_argument("--vhost", help="for export: the vhost that the JSON names (default: that of CALLMQ_AMQP_URL)")
    parser.add_argument(
        "--dial-lanes",
        type=_lanes,
        default=0,
        metavar="N",
        help="also N queues an account for dials that wait, where the workers may not make them when they need them",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    act = {"export": _export, "picture": _draw}.get(args.act, _look)
    return perform("topology", act(args))


def _lanes(text: str) -> int:
    if not text.isdigit() or int(text) > MOST_DIAL_LANES:
        raise argparse.ArgumentTypeError(f"must be a whole number up to {MOST_DIAL_LANES}")
    return int(text)


def _unconnected() -> Settings:
    environment = dict(os.environ)
    if not (environment.get("CALLMQ_AMQP_URL") or environment.get("CALLMQ_AMQP_URL_FILE")):
        environment["CALLMQ_AMQP_URL"] = "amqp://localhost"  # only its vhost is read
    return load(environment, broker_only=True)


async def _draw(args: argparse.Namespace) -> int:
    print(mermaid(wanted_layout(_unconnected(), args.dial_lanes)), end="")
    return EXIT_OK


async def _export(args: argparse.Namespace) -> int:
    settings = _unconnected()
    vhost = args.vhost if args.vhost is not None else vhost_of(settings.amqp_urls[0])
    print_json(definitions(wanted_layout(settings, args.dial_lanes), vhost))
    return EXIT_OK


async def _look(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    url = management_url()
    here = await as_offered(settings)
    layout = wanted_layout(here, args.dial_lanes)
    async with opened_ground(settings) as ground, opened_management(settings, url) as management:
        if args.act == "declare":
            findings = await topology.declare(ground, layout)
        else:
            findings = await topology.verify(ground, layout, management)
    if here.control_shards != settings.control_shards:
        findings.append(Finding("plugin", HASH_PLUGIN, "wrong", "CALLMQ_CONTROL_SHARDS needs it, and it is off."))
    return _print(findings, as_json=args.json)


def _print(findings: list[Finding], *, as_json: bool) -> int:
    print_rows([f.row() for f in findings], ("state", "what", "name", "detail"), as_json=as_json)
    counts = Counter(f.state for f in findings)
    say("topology", f"{counts['ok']} there, {counts['wrong']} wrong, {counts['unseen']} unseen.")
    if counts["unseen"]:
        say("topology", f"Bindings {topology.UNSEEN}: give CALLMQ_MANAGEMENT_URL, or let 'declare' make them again.")
    return EXIT_NO if counts["wrong"] else EXIT_OK
