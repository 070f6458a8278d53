"""From the lines of a frame to Facts. Pure: what is not understood is left out, and a silent fragment is named."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from clavel_tui.compose import lines as compose_lines
from clavel_tui.domain import limits
from clavel_tui.domain.facts import CheckResult, Disk, Facts, RunningJob
from clavel_tui.domain.system import SystemRecord
from clavel_tui.domain.text import clean

Fields = list[str]
_DEADLINE = {124, 137, 142, 143}
"""Exit statuses of GNU timeout, of what had to be killed, of perl's alarm, and of busybox timeout."""


def parse_frame(unit: str, lines: Sequence[str], *, at: float, begun: float, whole: bool, fragments: tuple[str, ...]) -> Facts:
    """The facts of one frame; ``at`` and ``begun`` are wall-clock seconds of the workstation."""
    blocks, codes = _blocks(lines)
    silent = tuple(name for name in fragments if codes.get(name, 124) in _DEADLINE)
    found: dict[str, Any] = {}
    for name, rows in blocks.items():
        if parser := _PARSERS.get(name):
            found.update(parser(rows))
    if clock := found.pop("clock", None):
        # The fragment ran somewhere between asking and the answer; half of that is the best guess.
        found["clock_skew"] = clock - (begun + at) / 2
    return Facts(unit=unit, at=at, took=at - begun, silent=silent if whole or blocks else fragments, **found)


def _blocks(lines: Sequence[str]) -> tuple[dict[str, list[Fields]], dict[str, int]]:
    blocks: dict[str, list[Fields]] = {}
    codes: dict[str, int] = {}
    now = ""
    for line in lines:
        if line.startswith("== "):
            now = line[3:]
            blocks[now] = []
        elif line.startswith("=. "):
            name, _, code = line[3:].partition(" ")
            if code.isdecimal():
                codes[name] = int(code)
            now = ""
        elif now and line:
            blocks[now].append([clean(field, limits.OUTPUT_BYTES) for field in line.split("\t")])
    return blocks, codes


def _host(rows: list[Fields]) -> dict[str, Any]:
    said = {row[0]: row[1] for row in rows if len(row) > 1}
    temperatures = [n for row in rows if row[0] == "temperature_mc" and (n := _number(row[-1])) is not None]
    found: dict[str, Any] = {
        "os": clean(said.get("os_PRETTY_NAME", ""), 80),
        "os_id": said.get("os_ID", ""),
        "os_version": said.get("os_VERSION_ID", ""),
        "kernel": clean(said.get("kernel", ""), 80),
        "arch": said.get("arch", ""),
        "hostname": clean(said.get("hostname", ""), 80),
        "boot_id": said.get("boot_id", ""),
        "uptime": _number(said.get("uptime")),
        "throttled": clean(said.get("throttled", ""), 40),
        "load": tuple(n for word in said.get("load", "").split() if (n := _number(word)) is not None),
        "root": said.get("user") == "0",
        "lacks": tuple(clean(said.get("lacks", ""), 200).split()),
        "stamp": clean(said.get("stamp", ""), 2000),
        "clock": _number(said.get("clock")),
        "temperature_c": max(temperatures) / 1000 if temperatures else None,
    }
    for key in ("mem_total_kib", "mem_free_kib", "cpus"):
        number = _number(said.get(key))
        found[key] = int(number) if number is not None else None
    return found


def _disks(rows: list[Fields]) -> dict[str, Any]:
    disks = {
        row[1]: Disk(at=clean(row[1], 120), size=int(row[2]), used=int(row[3]), free=int(row[4]))
        for row in rows
        if len(row) == 5 and all(n.isdecimal() for n in row[2:])
    }
    return {"disks": tuple(disks.values())}


def _systemd(rows: list[Fields]) -> dict[str, Any]:
    return {
        "init": _first(rows, "init"),
        "agent": _first(rows, "agent"),
        "failed_units": tuple(clean(row[1], 120) for row in rows if row[0] == "failed" and len(row) > 1),
    }


def _nixos(rows: list[Fields]) -> dict[str, Any]:
    generations = [(int(row[1]), row[2]) for row in rows if row[0] == "generation" and len(row) > 2 and row[1].isdecimal()]
    return {key: _first(rows, key) for key in ("current", "booted", "profile", "nix")} | {
        "generations": tuple(sorted(generations)),
        "reboot_due": tuple(row[1] for row in rows if row[0] == "due" and len(row) > 1),
        "rooted": tuple(row[1] for row in rows if row[0] == "root" and len(row) > 1),
    }


def _docker(rows: list[Fields]) -> dict[str, Any]:
    error = next((row[2] for row in rows if row[0] == "docker" and len(row) > 2), "")
    return {
        "docker": _first(rows, "docker"),
        "docker_error": clean(error, 200),
        "compose": _first(rows, "compose"),
        "containers": tuple(c for row in rows if row[0] == "container" and (c := compose_lines.container(row[1:]))),
        "images": tuple(i for row in rows if row[0] == "image" and (i := compose_lines.image(row[1:]))),
        "image_ids": tuple(_first(rows, "images").split()),
    }


def _state(rows: list[Fields]) -> dict[str, Any]:
    jobs = tuple(
        RunningJob(id=row[1], phase=row[2], owner=clean(row[3], 300), dead=row[4:] == ["dead"])
        for row in rows
        if row[0] == "job" and len(row) > 3
    )
    return {
        "state": _first(rows, "state") or "present",
        "born": _first(rows, "born"),
        "lock": clean(_first(rows, "lock"), 300),
        "jobs": jobs,
        "stacks": compose_lines.stack_states(rows),
        "systems": tuple(_system(row[1:]) for row in rows if row[0] == "system" and len(row) == 8 and row[1].isdecimal()),
    }


def _system(row: Fields) -> SystemRecord:
    at, verdict, path, *words = row
    said = dict(zip(("label", "revision", "operator", "reason"), (clean(word, 300) for word in words), strict=True))
    return SystemRecord(at=float(at), verdict=verdict, path=path, **said)


def _checks(rows: list[Fields]) -> dict[str, Any]:
    results = [CheckResult(line=f"{row[2]} {row[3]}", code=int(row[1])) for row in rows if len(row) > 3 and row[1].isdecimal()]
    return {"checks": tuple(results)}


_PARSERS: dict[str, Callable[[list[Fields]], dict[str, Any]]] = {
    "host": _host,
    "disks": _disks,
    "systemd": _systemd,
    "nixos": _nixos,
    "docker": _docker,
    "state": _state,
    "checks": _checks,
}


def _first(rows: list[Fields], key: str) -> str:
    return next((row[1] for row in rows if row[0] == key and len(row) > 1), "")


def _number(text: str | None) -> float | None:
    with contextlib.suppress(ValueError):
        number = float(text or "")
        return number if math.isfinite(number) else None
    return None
