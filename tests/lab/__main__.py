"""The lab by hand: python -m tests.lab up 3 --stack trixie."""

import argparse
import subprocess
import sys
from collections.abc import Callable

from . import setup
from .host import Host
from .lab import HAND_SLOT, Lab, attach, clear_all
from .plan import STACKS
from .shell import LabError

FAULTS: dict[str, Callable[[Host, str], None]] = {
    "cut": lambda host, _: host.cut(),
    "drop": lambda host, percent: host.drop(float(percent)),
    "delay": lambda host, values: _delay(host, *(float(value) for value in values.split(","))),
    "rate": lambda host, kbit: host.rate(int(kbit)),
    "heal": lambda host, _: host.heal(),
    "freeze": lambda host, _: host.freeze(),
    "thaw": lambda host, _: host.thaw(),
    "mem": lambda host, mib: host.limit_memory(int(mib)),
    "powercut": lambda host, _: host.power_cut(),
    "start": lambda host, _: _start(host),
    "reboot": lambda host, _: host.reboot(),
    "kill-sshd": lambda host, _: host.service("sshd", "kill"),
    "kill-dockerd": lambda host, _: host.service("dockerd", "kill"),
    "reset": lambda host, _: host.reset(),
}


def _delay(host: Host, ms: float, loss: float = 0, jitter: float = 0) -> None:
    host.delay(ms, loss=loss, jitter=jitter)


def _start(host: Host) -> None:
    host.start()
    host.wait_ready()


def up(args: argparse.Namespace) -> int:
    lab = Lab(args.stack, args.hosts, slot=HAND_SLOT)
    lab.up()
    lab.release()
    print(f"registry {lab.registry.address}; try: ssh -F {lab.ssh_dir}/config h1")
    return 0


def down(_: argparse.Namespace) -> int:
    if kept := clear_all():
        print(f"in use, left alone: {', '.join(kept)}")
    return 0


def execute(args: argparse.Namespace) -> int:
    done = attach().host(args.host).exec(args.command, check=False, timeout=None)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def fault(args: argparse.Namespace) -> int:
    FAULTS[args.kind](attach().host(args.host), args.value)
    return 0


def status(_: argparse.Namespace) -> int:
    lab = attach()
    for host in lab.hosts:
        print(host.name, host.address, "on" if host.is_on else "off")
    print("registry", lab.registry.address, "up" if lab.registry.is_up else "down")
    return 0


def registry(args: argparse.Namespace) -> int:
    lab = attach()
    if args.wish == "start":
        lab.registry.start()
    else:
        lab.registry.stop()
    return 0


def image(args: argparse.Namespace) -> int:
    name, _, tag = args.name.partition(":")
    settings = {"text": args.text, "health": args.health, "also": args.also}
    extra = {"oneshot": args.oneshot, "filler_mib": args.filler, "seed": args.seed}
    print(attach().image(name, tag or "latest", **settings, **extra))
    return 0


def install(_: argparse.Namespace) -> int:
    for stack in STACKS:
        setup.ensure(stack)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m tests.lab", description="Real hosts on this machine.")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, call: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=summary)
        made.set_defaults(call=call)
        return made

    made = verb("up", up, "start a lab of N hosts")
    made.add_argument("hosts", type=int, metavar="N")
    made.add_argument("--stack", choices=STACKS, default=STACKS[0])
    verb("down", down, "end it, and clear what killed test runs left")
    made = verb("exec", execute, "run a command on a host, out of band")
    made.add_argument("host")
    made.add_argument("command", nargs=argparse.REMAINDER)
    made = verb("fault", fault, "make a fault, or take it back")
    made.add_argument("host")
    made.add_argument("kind", choices=FAULTS)
    made.add_argument("value", nargs="?", default="", help="PCT, MS[,LOSS[,JITTER]], KBIT or MIB")
    verb("status", status, "which hosts are on")
    verb("registry", registry, "start or stop the registry").add_argument("wish", choices=("start", "stop"))
    made = verb("image", image, "make an image and push it; prints its digest")
    made.add_argument("name", metavar="NAME:TAG")
    made.add_argument("--text", default="")
    made.add_argument("--health", choices=("ok", "bad", "none"), default="ok")
    made.add_argument("--also", action="append", default=[], metavar="TAG")
    made.add_argument("--oneshot", action="store_true", help="says its text once and ends")
    made.add_argument("--filler", type=int, default=0, metavar="MIB", help="a layer that takes time to pull")
    made.add_argument("--seed", type=int, default=0)
    verb("setup", install, "install packages and make the Debian 13 tree")
    return top


def main() -> int:
    args = parser().parse_args()
    try:
        return int(args.call(args))
    except (LabError, subprocess.TimeoutExpired) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
