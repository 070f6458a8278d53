"""Whatever is wrong, the answer is a sentence that says what and what to do, with its exit code, and never a traceback."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import PROGRAM, Answer, Console
from tests.lab.files import CLERK_PASSWORD
from tests.lab.lab import Lab
from tests.lab.shell import run

UNIT = 'name = "{name}"\ntype = "linux"\narch = "x86_64-linux"\naddress = "{name}.invalid"\n'


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A fleet of one good unit that cannot be reached."""
    folder = tmp_path / "hosts"
    (folder / "a/compose/web").mkdir(parents=True)
    (folder / "fleet.toml").write_text('name = "f"\n')
    (folder / "a/unit.toml").write_text(UNIT.format(name="a"))
    (folder / "a/compose/web/compose.yaml").write_text("services: {}\n")
    return folder


def clavel(*words: object, before: tuple[str, ...] = (), **environ: str) -> Answer:
    argv = [*before, str(PROGRAM), *(str(word) for word in words)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
        timeout=60,
        errors="replace",
    )
    return Answer(tuple(argv), done.returncode, done.stdout, done.stderr)


def told(answer: Answer, code: int, *sentences: str) -> None:
    """It ended so, said that, and nothing of our own code."""
    everything = answer.ends(code).out + answer.err
    assert "Traceback" not in everything
    for sentence in sentences:
        assert sentence in everything, everything


# ---- without any host


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('tagz = ["x"]', "a/unit.toml: tagz: no such key; did you mean 'tags'?"),
        ('port = "22"', "a/unit.toml: port is '22': Input should be a valid integer"),
        ("= nonsense", "a/unit.toml: is not TOML: "),
    ],
)
@pytest.mark.parametrize("verb", ["check", "units"])
def test_a_wrong_unit_file(hosts: Path, more: str, sentence: str, verb: str) -> None:
    (hosts / "a/unit.toml").write_text(UNIT.format(name="a") + more)
    told(clavel(verb, "--fleet", hosts), 2, sentence, "mend the files and run `clavel-tui check`")


def test_two_units_of_one_name(hosts: Path) -> None:
    (hosts / "b").mkdir()
    (hosts / "b/unit.toml").write_text(UNIT.format(name="a"))
    told(
        clavel("check", "--fleet", hosts),
        2,
        "b/unit.toml: name is 'a': must be the name of its folder, 'b'",
        "has this name already",
    )


def test_no_fleet(tmp_path: Path) -> None:
    told(clavel("check", "--fleet", tmp_path), 2, "there is no fleet.toml in that folder")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("show", "nobody"), 3, "there is no unit nobody in this fleet"),
        (("update", "nothing"), 3, "no unit is meant"),
        (("logs", "nothing"), 3, "nothing is on no unit"),
        (("history", "zzz"), 3, "no operation, or more than one, begins with zzz"),
        (("trust",), 3, "say whose host key with --unit"),
        (("unlock", "nobody"), 3, "there is no unit nobody in this fleet"),
        (("update",), 2, "the following arguments are required: STACK"),
        (("upgrade",), 2, "invalid choice: 'upgrade'"),
    ],
)
def test_words_that_mean_nothing(hosts: Path, words: tuple[str, ...], code: int, sentence: str) -> None:
    told(clavel(*words, "--fleet", hosts), code, sentence)


def test_no_terminal(hosts: Path) -> None:
    told(clavel("--fleet", hosts), 3, "the console needs a terminal", "use the verbs instead")


def test_a_unit_that_cannot_be_reached(hosts: Path) -> None:
    told(clavel("units", "--fleet", hosts), 0, "unreachable", "it cannot be reached")
    told(clavel("show", "a", "--fleet", hosts), 0, "a (a.invalid) cannot be reached: ", "is it on, and is the address right?")
    told(clavel("update", "web", "--yes", "--fleet", hosts), 3, "web on a: refused: a (a.invalid) cannot be reached: ")
    told(clavel("trust", "--unit", "a", "--fleet", hosts), 6, "a.invalid did not show a host key")


@pytest.mark.parametrize(("text", "sentence"), [("my notes\n" * 99, "is not a database of ours"), ("", "")])
def test_a_journal_that_is_none(hosts: Path, tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "journal.db"
    file.write_text(text)
    told(clavel("history", "--fleet", hosts, "--db", file), 2 if text else 0, sentence)


@pytest.mark.parametrize("environ", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_c_locale(hosts: Path, environ: dict[str, str]) -> None:
    unit = hosts / "a/unit.toml"
    unit.write_text(UNIT.format(name="a") + 'metadata = { purpose = "Küche → 台所" }\n')
    told(clavel("check", "--json", "--fleet", hosts, **environ), 0, '"fleet": "f"')
    unit.write_text(UNIT.format(name="a") + 'tags = ["Küche"]\n')
    told(clavel("check", "--fleet", hosts, **environ), 2, "a/unit.toml: tags.0 is ")


@pytest.mark.lab
@pytest.mark.parametrize("size", ["64k", "400k"])
def test_a_full_local_disk(hosts: Path, tmp_path: Path, size: str) -> None:
    """On a file system of its own that is nearly full, which goes with its mount namespace."""
    place = tmp_path / "small"
    place.mkdir()
    text = f'mount -t tmpfs -o size={size} none {place}; head -c 30000 /dev/zero >{place}/x; [ {size} = 400k ] || cat /dev/zero >{place}/y; exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", text, "sh")
    answer = clavel("units", "--fleet", hosts, "--db", place / "journal.db", before=before)
    if size == "64k":
        told(answer, 2, "make room", "disk")
    else:
        told(answer, 0, "unreachable")


@pytest.mark.lab
def test_a_read_only_home(hosts: Path, tmp_path: Path) -> None:
    """Root may write anywhere but to what is mounted so."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    before = ("unshare", "--mount", "sh", "-c", f'mount --bind {home} {home}; mount -o remount,ro,bind {home}; exec "$@"', "sh")
    environ = {"HOME": str(home), "XDG_DATA_HOME": str(home / ".local/share")}
    answer = clavel("units", "--fleet", hosts, before=before, **environ)
    told(answer, 2, "cannot be opened: [Errno 30] Read-only file system", "name another file with --db")
    told(clavel("check", "--fleet", hosts, before=before, **environ), 0, "all files are well")


# ---- with a host


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("bookworm", 2) as lab:
        yield lab


@pytest.fixture
def console(lab: Lab) -> Iterator[Console]:
    """A workstation whose unit h1 has the stack web."""
    with tempfile.TemporaryDirectory() as place:
        console = Console(lab, Path(place))
        console.unit("h1", {"web": {}})
        console.stack("h1", "web", {"compose.yaml": "services: {app: {image: 'x'}}\n"})
        yield console
    lab.reset()


def refused(console: Console, *sentences: str, options: tuple[str, ...] = ()) -> None:
    """A look tells the trouble, and a change is refused with it."""
    told(console.run("show", "h1", *options), 0, "unreachable", *sentences)
    told(console.run("update", "web", "--yes", *options), 3, "update web on h1: refused: ", *sentences)


@pytest.mark.lab
def test_a_port_where_nobody_listens(console: Console) -> None:
    console.unit("h1", {"web": {}}, port=1)
    refused(console, "h1 (h1) refuses connections to its SSH port", "does sshd run there?")


@pytest.mark.lab
def test_a_wrong_host_key(console: Console, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("")
    refused(console, "the host key of h1 is not known yet", "`clavel-tui trust --unit h1`", options=("--known-hosts", str(known)))
    other = console.lab.host("h2").exec("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
    known.write_text(f"{console.lab.host('h1').address} {other}")
    changed = "h1 shows another host key than the one that is known"
    refused(console, changed, "somebody may sit between you", options=("--known-hosts", str(known)))


@pytest.mark.lab
def test_a_wrong_ssh_key(console: Console, tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other")
    refused(console, "h1 refused our SSH key", "authorized_keys", options=("--identity", str(tmp_path / "other")))
    refused(console, "our SSH key /nowhere cannot be used: No such file", options=("--identity", "/nowhere"))


@pytest.mark.lab
def test_no_rights(console: Console) -> None:
    console.unit("h1", {"web": {}}, user="deploy", elevate="sudo")
    refused(console, "sudo on h1 wants a password", 'say elevate = "sudo-password" in unit.toml')
    console.unit("h1", {"web": {}}, user="clerk", elevate="sudo-password")
    refused(console, "sudo on h1 wants a password, and nobody gave one", "run it on a terminal")
    assert CLERK_PASSWORD not in console.run("show", "h1", "--json").out


@pytest.mark.lab
def test_a_compose_file_with_a_mistake(console: Console) -> None:
    console.stack("h1", "web", {"compose.yaml": "services: {app: {imagine: 'x'}}\n"})
    answer = console.change("update", "h1", "web")
    assert answer.code in {1, 3}
    told(answer, answer.code, "imagine")
    assert not console.lab.host("h1").exec("ls /srv/web 2>/dev/null", check=False).stdout


@pytest.mark.lab
def test_an_image_that_does_not_exist(console: Console) -> None:
    console.stack("h1", "web", {"compose.yaml": f"services: {{app: {{image: '{console.lab.registry.address}/none:v1'}}}}\n"})
    answer = console.change("update", "h1", "web")
    told(answer, 1, "images could not be pulled: ", "none:v1")


@pytest.mark.lab
def test_no_docker(console: Console) -> None:
    host = console.lab.host("h1")
    host.exec("mount --bind /dev/null /usr/bin/docker")
    try:
        told(console.run("show", "h1"), 0, "Docker is not installed, though stacks are declared")
        told(console.run("update", "web", "--yes"), 3, "refused: Docker is not installed on h1: install docker")
    finally:
        host.exec("umount /usr/bin/docker")


def test_lines_come_as_they_are_found(hosts: Path) -> None:
    """Who reads a pipe reads a line when it is there, and who closes one ends the command quietly."""
    line = f"env -u PYTHONUNBUFFERED {PROGRAM} check --fleet {hosts} | true; exec 2>&1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout.split()) in [("", ["0"]), ("", ["141"])]


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    told(clavel("check", before=("sh", "-c", f'cd {gone} && rmdir {gone} && exec "$@"', "sh")), 3, "the current folder is gone")


def test_a_demo_of_a_demo() -> None:
    told(clavel("demo", "demo"), 3, "a demo has no demo of its own")


@pytest.mark.parametrize(
    "words", [("history", "--limit", "9" * 20), ("deployments", "--limit", "-1"), ("logs", "web", "--tail", "-3")]
)
def test_a_number_that_is_none(hosts: Path, words: tuple[str, ...]) -> None:
    told(clavel(*words, "--fleet", hosts), 2, "is not a number from")
