"""What is wrong with the fleet's files is said all at once, each with file, key, value and what would be right."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from clavel_tui.domain.errors import InventoryError
from clavel_tui.domain.unit import Elevate, Expected
from clavel_tui.inventory import load_fleet

from .conftest import UNIT, Write

Unit = Callable[..., Path]
HOSTS = Path(__file__).parents[2] / "hosts"


def problems(root: Path) -> list[str]:
    """The sentences, with file names below the fleet's folder."""
    with pytest.raises(InventoryError) as caught:
        load_fleet(root)
    return [str(p).replace(f"{root}/", "") for p in caught.value.problems]


def test_a_good_fleet_in_the_order_of_names(root: Path, unit: Unit, write: Write) -> None:
    unit("b", 'tags = ["x"]\n[stacks.web]\nhealth_seconds = 30\n[[checks]]\nsystemd = "nginx.service"\n')
    unit("a")
    write("b/compose/web/compose.yaml", "services: {}\n")
    write("b/compose/other/docker-compose.yml", "services: {}\n")
    write("b/compose/README.md", "not a stack")
    fleet = load_fleet(root)
    assert [u.name for u in fleet.units] == ["a", "b"]
    b = fleet.unit("b")
    assert b
    assert [(s.name, s.path, s.health_seconds) for s in b.stacks] == [("other", "/srv/other", 120), ("web", "/srv/web", 30)]
    assert b.stacks[1].source == str(root / "b/compose/web")
    assert [c.line for c in b.checks] == ["systemd nginx.service"]


def test_units_say_otherwise_than_the_defaults(root: Path, unit: Unit, write: Write) -> None:
    write("fleet.toml", 'name = "f"\nstack_root = "/opt/stacks/"\n[defaults]\nelevate = "sudo"\nuser = "ops"\ntags = ["all"]\n')
    unit("a", 'user = "root"\nelevate = "none"\n')
    unit("b")
    write("b/compose/web/compose.yaml", "services: {}\n")
    a, b = load_fleet(root).units
    assert (a.user, a.elevate, a.tags) == ("root", Elevate.NONE, ("all",))
    assert (b.user, b.elevate, b.stacks[0].path) == ("ops", Elevate.SUDO, "/opt/stacks/web")


def test_all_problems_of_all_files_at_once(root: Path, unit: Unit, write: Write) -> None:
    write("fleet.toml", 'name = "Bad Name"\n')
    unit("a", 'tagz = ["x"]\nport = "22"\n')
    write("b/unit.toml", "name = \n")
    write("c/unit.toml", 'name = "c"\n')
    unit("d", "[stacks.web]\n")
    found = problems(root)
    assert found[0].startswith("fleet.toml: name is 'Bad Name': must match ")
    assert {text.partition(":")[0] for text in found} == {
        f"{name}.toml" for name in ("fleet", "a/unit", "b/unit", "c/unit", "d/unit")
    }
    assert "c/unit.toml: arch: is missing, and must be said" in found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('tagz = ["x"]', "a/unit.toml: tagz: no such key; did you mean 'tags'?"),
        ("quux = 1", "a/unit.toml: quux: no such key; known keys are address, arch, checks,"),
        ("[stacks.web]\nhealth_second = 5", "stacks.web.health_second: no such key; did you mean 'health_seconds'?"),
        ('[[checks]]\nsytemd = "x"', "checks.0.sytemd: no such key; did you mean 'systemd'?"),
        ('port = "22"', "a/unit.toml: port is '22': Input should be a valid integer"),
        ("port = 70000", "a/unit.toml: port is 70000: Input should be less than or equal to 65535"),
        ('tags = "pi"', "a/unit.toml: tags is 'pi': Input should be a valid list"),
        ('tags = ["a b"]', "a/unit.toml: tags.0 is 'a b': must match"),
        ('expected = "often"', "expected is 'often': Input should be 'always' or 'sometimes'"),
        ("metadata = { rack = 4 }", "metadata.rack is 4: Input should be a valid string"),
        ('[stacks.web]\narchive = "yes"', "stacks.web.archive is 'yes': Input should be a valid boolean"),
        ('[stacks.web]\npull_seconds = "90"', "stacks.web.pull_seconds is '90': Input should be a valid integer"),
        ('[stacks.web]\npath = "srv/web"', "stacks.web.path is 'srv/web': must be an absolute folder such as /srv/web"),
        ('[stacks.web]\npath = "/srv/web/"', "must be an absolute folder"),
        ('[stacks.web]\npath = "/srv/../etc"', "must be an absolute folder"),
        ('[stacks.web]\npath = "/"', "must be an absolute folder"),
        ('[stacks.web]\npath = "/srv/a\\nb"', "stacks.web.path is '/srv/a\\nb': must match"),
        ('[stacks.web]\ndata = ["data/"]', "stacks.web.data is ['data/']: must be names of folders in the stack's own folder"),
        ('[stacks.web]\ndata = ["./data"]', "must be names of folders"),
        ('[stacks.web]\ndata = ["a|b"]', "must be names of folders"),
        ('[stacks.web]\non_failure = "explode"', "stacks.web.on_failure is 'explode': must match"),
        ('[stacks."Web App"]', "stacks.Web App is 'Web App': must match"),
        ('[[checks]]\nsystemd = "a"\ncommand = "b"', "checks.0: must say just one of systemd, command, tcp and http"),
        ("[[checks]]", "checks.0: must say just one of systemd, command, tcp and http"),
        ('[[checks]]\ncommand = "one\\ntwo"', "checks.0.command is 'one\\ntwo': must match"),
    ],
)
def test_one_problem_is_one_sentence(root: Path, unit: Unit, write: Write, more: str, said: str) -> None:
    unit("a", more)
    write("a/compose/web/compose.yaml", "services: {}\n")
    (found,) = problems(root)
    assert said in found


@pytest.mark.parametrize(("key", "bad"), [("arch", "x86"), ("type", "windows"), ("address", "two words"), ("address", "-oProxy")])
def test_what_must_be_said_is_checked(root: Path, write: Write, key: str, bad: str) -> None:
    said = {"name": "a", "type": "nixos", "arch": "x86_64-linux", "address": "a"} | {key: bad}
    write("a/unit.toml", "".join(f'{k} = "{v}"\n' for k, v in said.items()))
    (found,) = problems(root)
    assert found.startswith(f"a/unit.toml: {key} is {bad!r}: ")


def test_a_wrong_default_is_told_once_and_where_it_stands(root: Path, unit: Unit, write: Write) -> None:
    write("fleet.toml", 'name = "f"\n[defaults]\nuzer = "ops"\nelevate = "doas"\n')
    unit("a")
    unit("b", 'elevate = "none"\n')
    found = problems(root)
    assert len(found) == 2
    assert "fleet.toml: defaults.uzer: no such key; did you mean 'user'?" in found
    assert any(text.startswith("fleet.toml: defaults.elevate is 'doas': ") for text in found)


def test_two_units_of_one_name_are_both_named(root: Path, unit: Unit, write: Write) -> None:
    unit("a")
    write("b/unit.toml", UNIT.format(name="a"))
    assert problems(root) == [
        "b/unit.toml: name is 'a': must be the name of its folder, 'b'",
        "b/unit.toml: name is 'a': the unit of a/unit.toml has this name already",
    ]


def test_a_stack_without_folder_or_compose_file(root: Path, unit: Unit, write: Write) -> None:
    unit("a", "[stacks.web]\n")
    write("a/compose/other/notes.txt", "")
    assert problems(root) == [
        "a/compose/other: holds none of compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml",
        "a/unit.toml: stacks.web: has no folder a/compose/web: make it, with a compose.yaml",
    ]


def test_odd_stack_folders(root: Path, unit: Unit, write: Write) -> None:
    unit("a")
    for name in ("Web", "my app"):
        write(f"a/compose/{name}/compose.yaml", "")
    right = "a stack's name is lower-case letters, digits, - and _, at most 63 of them"
    assert problems(root) == [f"a/compose/{name} is {name!r}: {right}" for name in ("Web", "my app")]


def test_two_stacks_in_one_folder(root: Path, unit: Unit, write: Write) -> None:
    unit("a", '[stacks.one]\npath = "/srv/x"\n[stacks.two]\npath = "/srv/x"\n')
    for name in ("one", "two"):
        write(f"a/compose/{name}/compose.yaml", "")
    assert problems(root) == ["a/unit.toml: stacks.two.path is '/srv/x': the stack one stands in that folder already"]


def test_files_that_cannot_be_read(root: Path, unit: Unit, write: Write) -> None:
    unit("good")
    write("toml/unit.toml", "name = [")
    write("latin/unit.toml", "").write_bytes(b'name = "caf\xe9"\n')
    (root / "folder/unit.toml").mkdir(parents=True)
    (root / "dangling").mkdir()
    (root / "dangling/unit.toml").symlink_to("/nowhere/unit.toml")
    write("lost/compose/web/compose.yaml", "")
    found = dict(text.split(": ", 1) for text in problems(root))
    assert found == {
        "dangling/unit.toml": "cannot be read: No such file or directory",
        "folder/unit.toml": "cannot be read: Is a directory",
        "latin/unit.toml": "is not UTF-8 text",
        "lost": "has a compose folder and no unit.toml: write one, or move it away",
        "toml/unit.toml": found["toml/unit.toml"],
    }
    assert found["toml/unit.toml"].startswith("is not TOML: ")
    assert "line 1" in found["toml/unit.toml"] or "end of document" in found["toml/unit.toml"]


def test_no_fleet_file(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["fleet.toml: cannot be read: No such file or directory"]


AS_ANOTHER_USER = """\
import os, sys
from pathlib import Path
from clavel_tui.domain.errors import InventoryError, RefusedError
from clavel_tui.inventory import load_fleet, stack_files
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    load_fleet(Path(sys.argv[1]))
except InventoryError as error:
    print(error)
try:
    stack_files(Path(sys.argv[1], "a/compose/web"))
except RefusedError as error:
    print(error)
"""


def test_files_that_we_may_not_read_are_never_left_out(unit: Unit, write: Write, root: Path) -> None:
    for name in "abcd":
        unit(name)
    write("d/compose/web/compose.yaml", "services: {}\n")
    write("a/compose/web/compose.yaml", "services: {}\n")
    write("a/compose/web/secret/key", "")
    # Root may read everything, and pytest's folders are closed to all others.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        there = shutil.copytree(root, Path(place, "fleet"))
        there.chmod(0o755)
        for closed in ("b/unit.toml", "c", "a/compose/web/secret", "d/compose"):
            (there / closed).chmod(0)
        command = [sys.executable, "-c", AS_ANOTHER_USER, str(there)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=HOSTS.parent)
        for closed in ("c", "a/compose/web/secret", "d/compose"):
            (there / closed).chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.replace(f"{there}/", "").splitlines() == [
        "b/unit.toml: cannot be read: Permission denied",
        "c: cannot be read: Permission denied",
        "d/compose: cannot be read: Permission denied",
        "a/compose/web/secret cannot be read: Permission denied",
    ]


def test_the_example_fleet(tmp_path: Path) -> None:
    fleet = load_fleet(HOSTS)
    by_type = {t: [u.name for u in fleet.units if u.type == t] for t in ("darwin", "nixos")}
    assert by_type["darwin"] == ["argentum", "blackphos", "rosegold", "stibnite"]
    assert by_type["nixos"] == ["cinnabar", "electrum", "galena", "rpi-box-01", "rpi-box-02", "rpi-box-03", "scheelite"]
    pis = [u for u in fleet.units if "pi" in u.tags]
    assert {(u.arch, bool(u.stacks)) for u in pis} == {("aarch64-linux", True)}
    for laptop in by_type["darwin"]:
        unit = fleet.unit(laptop)
        assert unit
        assert unit.expected is Expected.SOMETIMES
        assert unit.metadata["owner"]


@pytest.mark.lab
def test_nix_reads_the_same_values(tmp_path: Path) -> None:
    """With the machine's own Nix, which needs neither a store nor a daemon for that."""
    assert shutil.which("nix")
    for file in (HOSTS / "fleet.toml", *HOSTS.glob("*/unit.toml")):
        expression = f"builtins.fromTOML (builtins.readFile {file})"
        nix = ["nix", "--extra-experimental-features", "nix-command", "eval", "--store", "dummy://", "--impure", "--json"]
        done = subprocess.run(
            [*nix, "--expr", expression], capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)}
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == tomllib.loads(file.read_text())


def test_what_a_login_without_roots_rights_cannot_have(root: Path, unit: Unit, write: Write) -> None:
    write("a/compose/web/compose.yaml", "services: {}\n")
    said = 'elevate = "helper"\n[[checks]]\ncommand = "true"\n[[checks]]\nsystemd = "a.service"\n'
    unit("a", said)
    stacks, command = problems(root)
    assert stacks == (
        "a/unit.toml: elevate is 'helper': cannot be with stacks: a compose file can mount all of the machine; say sudo"
    )
    assert command.startswith("a/unit.toml: checks.0.command is 'true': is run by root, and the helper runs nobody's commands")
