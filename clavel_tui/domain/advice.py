"""What a person would do next about a reason or a drift: the key, or the command on the unit. Pure."""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "unreachable": "R looks again; `clavel-tui doctor` tells what it lacks",
    "systemd-failed": "on the unit: systemctl status {evidence}; journalctl -u {evidence} -n 50",
    "disk": "on the unit: docker image prune; `clavel-tui forget` lets go of old releases and their images",
    "memory": "on the unit: ps aux --sort=-rss | head",
    "temperature": "look at its fan and its case",
    "throttled": "look at its power supply: a Raspberry Pi throttles when it is hot or its voltage is low",
    "clock": "on the unit: timedatectl, or systemctl restart systemd-timesyncd",
    "job-dead": "`clavel-tui unlock {unit}` settles it; then r rolls back",
    "check": "on the unit: run it by hand",
    "docker-missing": "install Docker there, or take its stacks out of unit.toml",
    "docker-silent": "on the unit: systemctl restart docker; then R",
    "service": "l shows its log; r rolls the stack back to the last known good",
    "deployment": "2 shows what differs",
    "profile": "on the unit: somebody has activated a system without setting the profile; a reboot goes to the profile's",
    "booted": "a reboot is due if the kernel changed",
    "not-running": "u deploys it",
    "files": "u puts the repository's files there; or copy what was changed by hand into the repository first",
    "unmanaged": "u takes it over: its files are recorded before they are replaced",
    "held": "H releases the hold; u then updates it",
    "image": "u runs what the tag names now; r goes back to what was recorded",
}


def advice(code: str, *, unit: str, evidence: str = "") -> str:
    """A sentence, or nothing where there is nothing to do but wait."""
    if code.startswith("silent-"):
        return "R looks again; a program that hangs on the unit is why"
    return ADVICE.get(code, "").format(unit=unit, evidence=evidence)
