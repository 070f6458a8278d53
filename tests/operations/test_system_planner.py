"""Which closure is meant for a unit, and which is not its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clavel_tui.domain.closure import Closure
from clavel_tui.domain.deployment import Deployment, Recorded, Specification, Template
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.operations import system_planner
from clavel_tui.operations.system_planner import SystemPlanner, Wanted
from clavel_tui.remote.target import Target

ROUTER = Unit(name="router", type=UnitType.IOT, arch="x86_64-linux", address="local", state="/var/lib/clavel-router")
PATH = f"/nix/store/{'a' * 32}-router"


def wanted(**metadata: str) -> Wanted:
    specification = Specification(unit="router", template=Template(nar_id=PATH, metadata=metadata))
    deployment = Deployment.of(specification, "/repository", "sha256-1")
    recorded = Recorded(deployment=deployment, short="router@1", at=1.0, operator="ann", url="/repository")
    return Wanted(PATH, "router@1", recorded)


@pytest.mark.parametrize("metadata", [{}, {"profile": "/nix/var/nix/profiles/unit-clavel-router", "system": "x86_64-linux"}])
def test_its_own_is_taken(metadata: dict[str, str]) -> None:
    one = wanted(**metadata)
    assert SystemPlanner._for_this_unit(one, ROUTER) is one


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"profile": "/nix/var/nix/profiles/router"}, "wants the profile /nix/var/nix/profiles/router, and that of router is"),
        ({"system": "aarch64-linux"}, "is for aarch64-linux, and unit.toml of router says x86_64-linux"),
    ],
)
def test_one_for_another_place_is_refused(metadata: dict[str, str], word: str) -> None:
    with pytest.raises(RefusedError, match=word):
        SystemPlanner._for_this_unit(wanted(**metadata), ROUTER)


async def test_what_is_pushed_out_of_the_memory_by_another_plan_is_still_known_to_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of hundreds of units that are planned at once each forgets what others need."""
    asked = asyncio.Event()

    async def absent(*_: object) -> frozenset[str]:
        await asked.wait()
        return frozenset()

    async def closures(_runner: object, _target: object, paths: Sequence[str]) -> dict[str, Closure]:
        return {path: {path: 1} for path in paths}

    monkeypatch.setattr(system_planner, "absent", absent)
    monkeypatch.setattr(system_planner, "closures", closures)
    monkeypatch.setattr(system_planner, "CLOSURES_KEPT", 1)
    planner, target = SystemPlanner(cast("Any", SimpleNamespace(runner=None)), cast("Any", None)), Target("h1", "local")
    assert await planner._there(target, {PATH}) == {PATH: {PATH: 1}}
    first = asyncio.create_task(planner._there(target, {PATH}))
    await asyncio.sleep(0)
    await planner._there(target, {f"{PATH}-2"})
    asked.set()
    assert await first == {PATH: {PATH: 1}}


@pytest.mark.parametrize("there", [(), (PATH,), (PATH, f"{PATH}-2")])
async def test_only_what_is_valid_there_has_a_closure(monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]) -> None:
    async def absent(_runner: object, _target: object, paths: Iterable[str]) -> frozenset[str]:
        return frozenset(paths) - {*there}

    async def closures(_runner: object, _target: object, paths: Sequence[str]) -> dict[str, Closure]:
        return {path: {path: 1} for path in paths if path in there}

    monkeypatch.setattr(system_planner, "absent", absent)
    monkeypatch.setattr(system_planner, "closures", closures)
    planner, target = SystemPlanner(cast("Any", SimpleNamespace(runner=None)), cast("Any", None)), Target("h1", "local")
    planner._remember({PATH: {PATH: 1}})
    assert await planner._there(target, {PATH, f"{PATH}-2"}) == {path: {path: 1} for path in there}
