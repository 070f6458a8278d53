"""Which closure is meant for a unit, and which is not its own."""

from __future__ import annotations

import pytest

from clavel_tui.domain.deployment import Deployment, Recorded, Specification, Template
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.operations.system_planner import SystemPlanner, Wanted

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
