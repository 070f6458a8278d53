"""The demo's repository, and the weeks that its fleet has lived through: what was evaluated, done and seen, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clavel_tui.demo.engine.nix import nar_hash, revision
from clavel_tui.demo.engine.systems import store_name
from clavel_tui.demo.fleet import UNITS, DemoUnit

DAY_S = 86400.0
AHEAD = {"electrum": 1, "stibnite": 1, "rpi-box-02": 2}
"""Units whose configuration is that many evaluations further than what they run."""
BROKEN = {"galena": "hosts/galena: services.batch.workers is -4, and must be a positive integer"}


@dataclass(frozen=True)
class PastEvaluation:
    """An evaluation of the demo's flake, days ago."""

    days: float
    nar_hash: str
    revision: str
    paths: Mapping[str, str]
    """The store path of every unit."""


@dataclass(frozen=True)
class PastOperation:
    """An operation of the journal, days ago."""

    days: float
    unit: str
    stack: str
    verb: str
    outcome: str
    text: str
    seconds: float
    reason: str = ""
    operator: str = "cameron"
    steps: Sequence[str] = ("check", "record", "pull", "activate", "health", "settle")


def flake(back: int = 0, broken: Mapping[str, str] = BROKEN) -> str:
    """flake.nix, as it stands now or stood some evaluations ago."""
    lines = {kind: "".join(_line(u, back, broken) for u in UNITS if u.kind == kind) for kind in ("nixos", "darwin")}
    return (
        '{\n  description = "The demo\'s fleet. A number stands for all that a host is made of: raise one, and press e.";\n\n'
        "  outputs = { self, generation }: {\n"
        + "".join(f"    {kind}Configurations = {{\n{text}    }};\n" for kind, text in lines.items())
        + "  };\n}\n"
    )


def number(unit: DemoUnit, back: int) -> int:
    """The generation that the flake names, some evaluations ago."""
    return unit.generations[1] + AHEAD.get(unit.name, 0) - back


def _line(unit: DemoUnit, back: int, broken: Mapping[str, str]) -> str:
    text = f'throw "{broken[unit.name]}"' if unit.name in broken and not back else f"generation {number(unit, back)}"
    return f"      {unit.name} = {text};\n"


def write_repository(folder: Path) -> None:
    """flake.nix, committed."""
    for name in ("flake.nix", ".committed"):
        (folder / name).write_text(flake(), encoding="utf-8")


def evaluations() -> list[PastEvaluation]:
    """The oldest first. The newest is of the flake as it stood before somebody broke galena."""
    past = []
    for back, days in ((3, 24.0), (2, 17.2), (1, 9.1), (0, 2.4)):
        text = flake(back, {})
        paths = {u.name: f"/nix/store/{store_name(u.name, u.kind == 'darwin', number(u, back))}" for u in UNITS}
        past.append(PastEvaluation(days, nar_hash(text), revision(text), paths))
    return past


def operations() -> list[PastOperation]:
    """The oldest first: ordinary weeks, one bad update and how it ended."""
    evaluated = [
        PastOperation(one.days, "", "fleet", "evaluate", "succeeded", f"11 Deployments at {one.revision[:12]}", 2.1, steps=())
        for one in evaluations()
    ]
    changed = [
        PastOperation(26.3, "rpi-box-01", "pihole", "update", "succeeded", "runs the new images, well for 3 s", 31),
        PastOperation(23.9, "cinnabar", "web", "update", "succeeded", "runs the new images, well for 3 s", 44),
        PastOperation(21.4, "electrum", "uptime", "update", "nochange", "neither image nor file changed", 6),
        PastOperation(16.8, "cinnabar", "zerotier", "restart", "succeeded", "all services are well", 9, "controller was stuck"),
        PastOperation(12.1, "rpi-box-02", "camera", "update", "returned",
                      "camera was unhealthy for 20 s: returned to what ran before, which is well", 58, operator="janette"),
        PastOperation(12.0, "rpi-box-02", "camera", "hold", "succeeded", "held at what runs", 4, "until upstream mends v4",
                      operator="janette", steps=("check", "settle")),
        PastOperation(8.9, "scheelite", "inference", "update", "succeeded", "runs the new images, well for 3 s", 212),
        PastOperation(5.5, "rpi-box-03", "metrics", "update", "refused", "the disk has 90 MiB free, and 256 are asked for", 3,
                      steps=("check",)),
        PastOperation(5.4, "rpi-box-03", "metrics", "update", "succeeded", "runs the new images, well for 3 s", 39),
        PastOperation(1.2, "electrum", "uptime", "update", "succeeded", "runs the new images, well for 3 s", 27, "2.0 at last"),
    ]  # fmt: skip
    return sorted(evaluated + changed, key=lambda one: -one.days)
