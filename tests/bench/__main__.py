"""The command line: see the package."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from . import measure, peers
from .closure import closure
from .coordinate import coordinate
from .deploy import deploy
from .evaluate import evaluate
from .hosts import hosts
from .refresh import cold, refresh
from .screen import screen
from .start import start

NAMES = ("refresh", "cold", "start", "evaluate", "screen", "closure", "deploy", "coordinate")
VERSIONS = (
    ("OpenSSH", ("ssh", "-V")),
    ("Nix", ("nix", "--version")),
    ("pyinfra", (peers.cache_folder() / "bin" / "pyinfra", "--version")),
    ("ansible", (peers.cache_folder() / "bin" / "ansible", "--version")),
)


def main() -> int:
    """Runs what was named, prints a table for each, and writes a file only where one was asked for."""
    args = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the hosts are taken down
    if args.install_peers:
        peers.install()
    _print_machine()
    rows: list[measure.Row] = []
    found: list[measure.Verdict] = []
    for more_rows, more_found in _results(args):
        print("\n".join(["", *measure.table(more_rows), *measure.ratios(more_found)]), flush=True)
        rows += more_rows
        found += more_found
    print(f"\nload at the end: {_load()}")
    if args.json:
        args.json.write_text(json.dumps(measure.as_json(rows, found), indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Ratios against named peers, in one run.")
    parser.add_argument("names", nargs="*", choices=NAMES, default=list(NAMES), metavar="|".join(NAMES))
    parser.add_argument("--hosts", nargs="+", type=int, default=[8, 50, 200], metavar="N", help="fleet sizes for refresh")
    parser.add_argument("--cold-hosts", nargs="+", type=int, default=[200], metavar="N", help="fleet sizes for cold")
    parser.add_argument("--units", nargs="+", type=int, default=[8, 200], metavar="N", help="fleet sizes for evaluate")
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 1000, 10_000], metavar="N", help="units for screen")
    parser.add_argument("--agents", nargs="+", type=int, default=[10, 100, 1000], metavar="N", help="agents for coordinate")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long coordinate's agents are idle")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each contestant")
    parser.add_argument("--install-peers", action="store_true", help=f"pyinfra and ansible-core, into {peers.cache_folder()}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    return parser


def _results(args: argparse.Namespace) -> Iterator[tuple[list[measure.Row], list[measure.Verdict]]]:
    for name, run, sizes in (("refresh", refresh, args.hosts), ("cold", cold, args.cold_hosts)):
        for count in sizes if name in args.names else ():
            with hosts(count) as standing:
                yield run(standing, count, args.runs)
    for count in args.units if "evaluate" in args.names else ():
        yield evaluate(count, args.runs)
    for count in args.rows if "screen" in args.names else ():
        yield screen(count, args.runs)
    for count in args.agents if "coordinate" in args.names else ():
        yield coordinate(count, args.seconds)
    if "closure" in args.names:
        yield closure(2000, args.runs)
    if "deploy" in args.names:
        yield deploy(args.runs)
    if "start" in args.names:
        for count in (11, 1000):
            yield start(args.runs, count)


def _print_machine() -> None:
    print(f"{os.cpu_count()} cores, load {_load()}; Python {sys.version.split()[0]}")
    for name, argv in VERSIONS:
        print(f"{name}: {peers.version(argv) or 'not there'}")


def _load() -> str:
    return " ".join(f"{n:.1f}" for n in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
