"""The tests of a stack's steps are worth something: each step, left out or changed, is noticed on a real host."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import clavel_tui

from .beside import CALM, Scene, beside, scenes
from .places import Places, push
from .shell import wait_for
from .test_faults import REFUSED, RETURNED, SUCCEEDED, Case, ended, reach

__all__ = ["scenes"]
pytestmark = pytest.mark.lab


# ---------------------------------------------------------------- scenarios: each ends well, or an assertion fails


def returns(scene: Scene) -> None:
    """An update that turns out bad returns: image, file and tag are the old ones."""
    case = Case(scene)
    case.renew(health="bad")
    case.web.update().ends(RETURNED)
    case.unchanged_but_recreated()


def meets_a_change(scene: Scene) -> None:
    """Somebody changes a file between the preview and the job: refused, and what somebody wrote is still there."""
    case = Case(scene)
    case.renew()
    process = case.stopping("put", "wait", case.folder / "at")
    reach(process, case.folder / "at")
    case.web.by_hand("printf mine >note")
    (case.folder / "at/go").touch()
    assert "plan again" in ended(process).ends(REFUSED).text
    assert case.web.by_hand("cat note") == "mine"
    assert case.web.images() == {"app": case.v1}


def survives_a_prune(scene: Scene) -> None:
    """`docker image prune -af` after an update: the rollback still finds its image."""
    case = Case(scene)
    case.renew()
    case.web.update().ends(SUCCEEDED)
    case.web.by_hand("docker image prune -af")
    case.web.rollback().ends(SUCCEEDED)
    assert case.web.images() == {"app": case.v1}


LYING = """\
#!/bin/sh
case " $* " in *" compose up "*) exit 0 ;; esac
exec /usr/bin/docker "$@"
"""


def meets_an_up_that_lies(scene: Scene) -> None:
    """`docker compose up` ends with 0 and does nothing: the unit's own word of the rollback is not "succeeded"."""
    case = Case(scene)
    case.renew()
    case.web.update().ends(SUCCEEDED)
    case.host.put("/usr/local/bin/docker", LYING, 0o755)
    try:
        case.web.rollback()
    finally:
        case.host.exec("rm /usr/local/bin/docker")
    result = case.host.exec("cat $(ls -td /var/lib/clavel/jobs/*/ | head -n 1)result").stdout
    assert result.startswith("outcome=failed\n")
    assert "app" in result


def adds_a_service(scene: Scene) -> None:
    """An update whose files name a second service: both run."""
    case = Case(scene)
    push(case.shelf, "side", "v1")
    case.web.files(case.files("new", "side"))
    case.web.update().ends(SUCCEEDED)
    assert sorted(case.web.images()) == ["app", "side"]
    assert case.web.by_hand("cat note") == "new"


def dies_between_two_renames(scene: Scene) -> None:
    """Killed while the folders are swapped: whoever looks next finds the files whole again, as they were."""
    case = Case(scene)
    case.renew()
    case.host.put("/usr/local/bin/mv", '#!/bin/sh\n/bin/mv "$@"\n[ "$2" != /srv/web.clavel-old ] || sleep 600\n', 0o755)
    try:
        process = case.start()
        wait_for(
            "the folder is away", lambda: case.host.exec("ls /srv").stdout.split() == ["web.clavel-new", "web.clavel-old"], 60
        )
        case.host.exec("pkill -9 -f '[/]var/lib/clavel/jobs/'; pkill -9 -f '[s]leep 600'", check=False)
    finally:
        case.host.exec("rm /usr/local/bin/mv")
    assert "swapping" in ended(process).ends(8).text
    case.unchanged()


def meets_an_impostor(scene: Scene) -> None:
    """Killed when the data has moved; Docker makes the mount anew at boot. The real data comes back, the other is put aside."""
    case = Case(scene)
    case.renew()
    case.host.put("/usr/local/bin/mv", '#!/bin/sh\n/bin/mv "$@"\n[ "$2" != /srv/web.clavel-new/data ] || sleep 600\n', 0o755)
    try:
        process = case.start()
        wait_for("the data has moved", lambda: not case.host.exec("ls -d /srv/web/data", check=False).stdout, 60)
        case.host.exec("mkdir /srv/web/data && echo impostor >/srv/web/data/kept")
        case.host.exec("pkill -9 -f '[/]var/lib/clavel/jobs/'; pkill -9 -f '[s]leep 600'", check=False)
    finally:
        case.host.exec("rm /usr/local/bin/mv")
    ended(process).ends(8)
    assert case.web.by_hand("cat data/kept") == "precious\n"
    assert case.web.by_hand("cat data.clavel-found.*/kept") == "impostor\n"
    assert case.web.by_hand("cat note") == "old"
    assert case.host.exec("ls -A /srv").stdout.split() == ["web"]


# ---------------------------------------------------------------- mutants


@dataclass(frozen=True)
class Mutant:
    """A step that is another, and the scenario that must not end well then."""

    name: str
    file: str
    found: str
    instead: str
    killed_by: Callable[[Scene], None]


MUTANTS = (
    Mutant("the fingerprint is not compared", "stack.sh", '[ "$expect" = "$found" ] ||', "true ||", meets_a_change),
    Mutant("no container keeps an image", "stack_releases.sh", 'D inspect --type container "$keep_c" >/dev/null 2>&1 && continue', "continue", survives_a_prune),
    Mutant("tags are not put back", "stack.sh", "untagged=$(retag_lines", "untagged=; : $(:", returns),
    Mutant("what runs is not verified", "stack_health.sh", "\nverify_release() {\n", "\nverify_release() {\n    return 0\n", meets_an_up_that_lies),
    Mutant("health is not judged", "stack_verbs.sh", 'judge "$known" || come_back "$why"', ":", returns),
    Mutant("the way back leaves the files", "stack_verbs.sh", '/carry"\n    swap_out || warn', '/carry"\n    : || warn', returns),
    Mutant("the files come after `up`", "stack_verbs.sh", "swap_in || {\n        unswap\n        give_up", "bring_up && swap_in || {\n        unswap\n        give_up", adds_a_service),
    Mutant("a dead job's swap is not mended", "stack_verbs.sh", "swapping) swap_out ;;", "swapping) ;;", dies_between_two_renames),
    Mutant("what came meanwhile is taken for the data", "stack_files.sh", 'if here "$swap_to/$swap_f"; then aside', 'if here "$swap_to/$swap_f"; then continue; aside', meets_an_impostor),
    Mutant("the state comes after the effect", "stack_verbs.sh", 'remember phase=swapping "target=$target" "halted=$halted" || give_up', ": || give_up", dies_between_two_renames),
)  # fmt: skip
SCENARIOS = (
    returns,
    meets_a_change,
    survives_a_prune,
    meets_an_up_that_lies,
    adds_a_service,
    dies_between_two_renames,
    meets_an_impostor,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@beside(stacks=CALM)
def test_scenario_ends_well(scene: Scene, scenario: Callable[[Scene], None]) -> None:
    """With the scripts as they are."""
    scenario(scene)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
@beside(stacks=CALM)
def test_mutant_is_killed(scene: Scene, mutant: Mutant) -> None:
    """With one step changed in a copy of the package, which the command line then runs, the scenario fails."""
    package = scene.console.folder / "changed/clavel_tui"
    shutil.copytree(Path(clavel_tui.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    script = package / "unit" / mutant.file
    text = script.read_text()
    assert text.count(mutant.found) == 1, f"{mutant.file} has changed: {mutant.found}"
    script.write_text(text.replace(mutant.found, mutant.instead))
    subprocess.run(["dash", "-n", script], check=True)
    console = replace(scene.console, code=package.parent)
    with pytest.raises(AssertionError):
        mutant.killed_by(replace(scene, console=console, places=Places(console)))
