"""The lab's network: a bridge in a namespace of its own, a cable to each host, faults of the cable."""

import json
import os
import signal
from pathlib import Path

from . import cgroup
from .plan import Plan
from .shell import read_pid, run, spawn_module, wait_for

BRIDGE = "br0"


def up(plan: Plan) -> None:
    """Make the bridge and the machine's own cable to it.

    The bridge has its own namespace because a Docker Engine on the machine drops what is forwarded,
    and because everything plugged into it goes when the namespace is deleted.
    """
    switch = plan.switch
    run("ip", "netns", "add", switch)
    _in_netns(switch, "sh", "-c", "echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables", check=False)
    run("ip", "-n", switch, "link", "add", BRIDGE, "type", "bridge")
    run("ip", "-n", switch, "link", "set", BRIDGE, "up")
    run("ip", "link", "add", plan.uplink, "type", "veth", "peer", "name", "uplink", "netns", switch)
    run("ip", "-n", switch, "link", "set", "uplink", "master", BRIDGE, "up")
    run("ip", "address", "add", f"{plan.gateway}/24", "dev", plan.uplink)
    run("ip", "link", "set", plan.uplink, "up")


def add_host(plan: Plan, host: str) -> None:
    """Make a host's network namespace with one cable to the bridge; no default route leaves it."""
    netns = plan.netns(host)
    run("ip", "netns", "add", netns)
    # The bridge's end bears the host's name; faults act on that end, out of the host's reach.
    run("ip", "-n", netns, "link", "add", "eth0", "type", "veth", "peer", "name", host, "netns", plan.switch)
    run("ip", "-n", plan.switch, "link", "set", host, "master", BRIDGE)
    run("ip", "-n", netns, "address", "add", f"{plan.address(host)}/24", "dev", "eth0")
    run("ip", "-n", netns, "link", "set", "lo", "up")
    run("ip", "-n", netns, "link", "set", "eth0", "up")


def down(plan: Plan) -> None:
    """Delete every network namespace of a lab, known or left over, and all cables with them."""
    for netns in leftovers(plan):
        run("ip", "netns", "delete", netns, check=False)
    # The kernel removes a dead namespace's cables in its own time; the next lab wants the name now.
    run("ip", "link", "delete", plan.uplink, check=False)


def leftovers(plan: Plan) -> list[str]:
    """The network namespaces that bear a lab's name."""
    listed: list[dict[str, str]] = json.loads(run("ip", "-json", "netns", "list").stdout or "[]")
    return [entry["name"] for entry in listed if entry["name"].startswith(f"{plan.name}-")]


def plug(plan: Plan, host: str) -> None:
    """Bring up the port of a host that starts, unless its cable is cut."""
    if not _cut_mark(plan, host).exists():
        run("ip", "-n", plan.switch, "link", "set", host, "up")


def unplug(plan: Plan, host: str) -> None:
    """Take down the port of a host that is off.

    It must be silent: the kernel behind its address would answer "connection refused".
    """
    run("ip", "-n", plan.switch, "link", "set", host, "down", check=False)


def cut(plan: Plan, host: str) -> None:
    """Pull the cable: packets vanish both ways, and no end is told. It stays pulled over a reboot."""
    _cut_mark(plan, host).touch()
    unplug(plan, host)


def heal(plan: Plan, host: str, *, on: bool) -> None:
    """Take back every fault of a cable; the port of a host that is off (`on` false) stays down."""
    _cut_mark(plan, host).unlink(missing_ok=True)
    stop_relay(plan, host)
    for netns, device in ((plan.switch, host), (plan.netns(host), "eth0")):
        run("tc", "-n", netns, "qdisc", "delete", "dev", device, "root", check=False)
    if on:
        plug(plan, host)


def rate(plan: Plan, host: str, kbit: int) -> None:
    """Narrow a cable both ways; a full queue drops, as in a real one."""
    burst = max(3, kbit // 2000 + 1)  # below a timer tick's worth of bytes the rate is never reached
    shape = ("root", "tbf", "rate", f"{kbit}kbit", "burst", f"{burst}kb", "limit", f"{60 + burst}kb")
    for netns, device in ((plan.switch, host), (plan.netns(host), "eth0")):
        run("tc", "-n", netns, "qdisc", "replace", "dev", device, *shape)


def delay(plan: Plan, host: str, ms: float, loss: float, jitter: float) -> None:
    """Hold every packet back `ms` to `ms + jitter` milliseconds each way and lose `loss` percent."""
    stop_relay(plan, host)
    log = plan.home(host) / "relay.log"
    log.unlink(missing_ok=True)
    pid = spawn_module(log, "relay", plan.slot, host, ms, loss, jitter)
    cgroup.adopt(plan.name, pid)
    _relay_pid(plan, host).write_text(str(pid))
    wait_for(f"relay of {host}, see {log}", lambda: "ready" in log.read_text())


def stop_relay(plan: Plan, host: str) -> None:
    """End a host's relay, if it has one, and plug its cable into the bridge again."""
    if pid := read_pid(_relay_pid(plan, host)):
        os.kill(pid, signal.SIGKILL)
        wait_for(f"end of the relay of {host}", lambda: not _has_link(plan, f"{host}tap"))
        run("ip", "-n", plan.switch, "link", "set", host, "promisc", "off", "master", BRIDGE)
    _relay_pid(plan, host).unlink(missing_ok=True)


def _in_netns(netns: str, *command: str, check: bool = True) -> str:
    return run("nsenter", f"--net=/run/netns/{netns}", *command, check=check).stdout


def _has_link(plan: Plan, name: str) -> bool:
    return run("ip", "-n", plan.switch, "link", "show", name, check=False).returncode == 0


def _cut_mark(plan: Plan, host: str) -> Path:
    return plan.home(host) / "cable-cut"


def _relay_pid(plan: Plan, host: str) -> Path:
    return plan.home(host) / "relay.pid"
