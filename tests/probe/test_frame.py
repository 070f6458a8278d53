"""The script of the far side, run here: one round trip, each fragment with its own deadline."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import Check, Unit
from clavel_tui.probe import ask, probe, probe_query
from clavel_tui.probe.ask import known_line
from clavel_tui.probe.parse import parse_frame
from clavel_tui.remote.effects import Query
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target

UNIT = Unit.model_validate({"name": "here", "type": "linux", "arch": "x86_64-linux", "address": "local"})


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that come before the machine's own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path, tools: Path) -> Target:
    return Target("here", "local", tools=(str(tools),), state=str(tmp_path / "state"))


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


async def test_a_fragment_that_hangs_is_named_and_the_others_are_there(
    here: Target, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tools / "docker", "sleep 30")
    program(tools / "nix", "exit 1")
    monkeypatch.setitem(ask.FRAGMENTS, "docker", 1)
    begun = time.monotonic()
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert time.monotonic() - begun < 8
    assert seen.silent == ("docker",)
    assert seen.kernel.startswith("Linux ")
    assert seen.state == "none"
    assert seen.checks == ()
    # Its clock was read at the beginning, in whole seconds, and is compared with the middle of the look.
    assert abs(seen.clock_skew or 99) <= seen.took / 2 + 1.1


async def test_a_nix_that_hangs_costs_its_version_only(here: Target, tools: Path) -> None:
    program(tools / "nix", "sleep 30")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.nix, seen.silent) == ("", ())


async def test_a_fragment_that_is_broken_does_not_spoil_the_next(here: Target, tools: Path) -> None:
    program(tools / "docker", "echo 'it is broken' >&2; exit 1")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.docker, seen.docker_error, seen.silent) == ("silent", "it is broken", ())


async def test_checks_are_run_with_their_own_limit_and_words(here: Target) -> None:
    lines = ["true", "exit 7", "test 'a  b' = \"a  b\"", "echo $HOME >/dev/null; false"]
    unit = UNIT.model_copy(update={"checks": tuple(Check(command=line) for line in lines)})
    seen = await probe(LocalRunner(Secrets()), unit, here)
    assert [(c.line, c.code) for c in seen.checks] == [(f"command {c}", n) for c, n in zip(lines, (0, 7, 0, 1), strict=True)]


def test_the_script_is_the_same_for_each_look_so_that_it_can_stay() -> None:
    assert probe_query(UNIT) == probe_query(UNIT)


async def test_words_that_are_no_question_are_passed_over(here: Target) -> None:
    asked = probe_query(UNIT)
    several = Query(asked.name, asked.text, asked.args, b"\nnoise\nprobe one\nprobe two\n", asked.timeout)
    lines: list[str] = []
    await LocalRunner(Secrets()).query(here, several, lines.append)
    assert [line for line in lines if line[:2] in {"<<", ">>"}] == ["<< one", ">> one", "<< two", ">> two"]


async def test_an_odd_state_folder_is_told(here: Target) -> None:
    state = Path(here.state)
    (state / "stacks/we b/releases/r1").mkdir(parents=True)
    (state / "stacks/we b/releases/r1/manifest").write_text("project\tx\nservice\tapp\n")
    (state / "stacks/we b/releases/empty").mkdir()
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.state, seen.born) == ("present", "")
    assert [(s.name, [r.id for r in s.releases]) for s in seen.stacks] == [("we b", ["r1"])]
    (state / "born").write_text("b1\n")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.state, seen.born) == ("present", "b1")
    assert [(s.name, [r.id for r in s.releases]) for s in seen.stacks] == [("we b", ["r1"])]


@pytest.fixture
def pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pid file of a Docker daemon, below a root of its own."""
    file = tmp_path / "root/run/docker.pid"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    monkeypatch.setenv("CLAVEL_ROOT", str(tmp_path / "root"))
    return file


@pytest.fixture
def resident() -> Iterator[Callable[[Target], Callable[[], Facts]]]:
    """Starts the script once, as over SSH, and asks it at each call for one frame, with what the one before has shown."""
    with ExitStack() as stack:

        def started(target: Target) -> Callable[[], Facts]:
            asked = probe_query(UNIT)
            words = target.command(asked.text, asked.args, elevated=True)
            process = stack.enter_context(Popen(words, stdin=PIPE, stdout=PIPE, text=True))
            assert process.stdin
            stack.callback(process.stdin.close)
            seen: list[Facts] = []

            def look() -> Facts:
                seen.append(frame(process, seen[-1] if seen else None))
                return seen[-1]

            return look

        yield started


def frame(process: Popen[str], known: Facts | None) -> Facts:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{known_line(known)}probe n\n")
    process.stdin.flush()
    lines = [process.stdout.readline()]
    while lines[-1] != ">> n\n":
        assert lines[-1], "it has ended"
        lines.append(process.stdout.readline())
    body = [line.removesuffix("\n") for line in lines[1:-1]]
    return parse_frame("here", body, at=0, begun=0, whole=True, fragments=tuple(ask.FRAGMENTS))


def test_versions_that_are_known_are_asked_again_when_their_files_changed(
    here: Target, tools: Path, tmp_path: Path, pid: Path, resident: Callable[[Target], Callable[[], Facts]]
) -> None:
    """What they start takes longer than all else that is looked at, on the unit and in its Docker daemon."""
    called, version = tmp_path / "called", tmp_path / "version"
    version.write_text("29.0\n")
    program(tools / "docker", f'echo "$1 $2" >>{called}\ncase $* in version*) cat {version} ;; *version*) echo 5.0 ;; esac')
    program(tools / "nix", f"echo nix >>{called}\necho nix 2.8")
    look = resident(here)
    seen = look()
    assert (seen.docker, seen.compose, seen.nix) == ("29.0", "5.0", "nix 2.8")
    called.unlink()
    for _ in range(4):
        seen = look()
        assert (seen.docker, seen.compose, seen.nix) == ("29.0", "5.0", "nix 2.8")
    assert {line for line in called.read_text().splitlines() if "version" in line or line == "nix"} == set()

    version.write_text("30.0\n")
    pid.write_text("a daemon of another version")
    assert look().docker == "30.0"
    version.write_text("31.0\n")
    pid.unlink()  # now nothing would tell that it is another daemon
    assert look().docker == "31.0"
    version.write_text("32.0\n")
    assert look().docker == "32.0"
    called.unlink()
    program(tools / "nix", "echo nix 2.18")
    assert look().nix == "nix 2.18"
    assert "compose version" in called.read_text()


@pytest.mark.parametrize("odd", ["29|0", "29.0|x"])
async def test_a_version_that_would_break_the_line_is_asked_again(here: Target, tools: Path, pid: Path, odd: str) -> None:
    program(tools / "docker", f"case $* in version*) echo '{odd}' ;; *version*) echo 5.0 ;; esac")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert known_line(seen) == ""
    again = await probe(LocalRunner(Secrets()), UNIT, here, known=seen)
    assert (again.docker, again.compose) == (odd, "5.0")


async def test_what_a_console_knows_holds_for_the_next_one_as_well(here: Target, tools: Path, tmp_path: Path, pid: Path) -> None:
    """A command looks once or twice, and has from its cache what the last one saw; of another machine nothing of it fits."""
    called = tmp_path / "called"
    program(tools / "docker", f'echo "$1 $2" >>{called}\ncase $* in version*) echo 29.0 ;; *version*) echo 5.0 ;; esac')
    first = await probe(LocalRunner(Secrets()), UNIT, here)
    assert "version --format" in called.read_text()
    called.unlink()
    known = Facts.model_validate_json(first.model_dump_json())
    second = await probe(LocalRunner(Secrets()), UNIT, here, known=known)
    assert (second.docker, second.compose, second.stamp) == ("29.0", "5.0", first.stamp)
    assert "version" not in called.read_text()
    other = known.model_copy(update={"docker": "1.0", "stamp": f"{first.stamp} of another machine"})
    assert (await probe(LocalRunner(Secrets()), UNIT, here, known=other)).docker == "29.0"


async def test_generations_and_what_differs_from_the_boot(here: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    store, profiles, run = root / "nix/store", root / "nix/var/nix/profiles", root / "run"
    for folder in (profiles, run, *(store / name for name in ("a-old", "b-new"))):
        folder.mkdir(parents=True)
    for name, initrd in (("a-old", "initrd-1"), ("b-new", "initrd-2")):
        (store / name / "kernel").symlink_to("/nix/store/k-linux/bzImage")
        (store / name / "initrd").symlink_to(f"/nix/store/{initrd}/initrd")
    (run / "booted-system").symlink_to(store / "a-old")
    (run / "current-system").symlink_to(store / "b-new")
    for number, name in ((1, "a-old"), (12, "b-new")):
        (profiles / f"system-{number}-link").symlink_to(store / name)
    (profiles / "system-9-link").write_text("no link")
    (profiles / "system").symlink_to("system-12-link")
    monkeypatch.setenv("CLAVEL_ROOT", str(root))
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert seen.generations == ((1, "/nix/store/a-old"), (12, "/nix/store/b-new"))
    assert (seen.current, seen.profile, seen.booted) == ("/nix/store/b-new", "/nix/store/b-new", "/nix/store/a-old")
    assert seen.reboot_due == ("initrd",)


async def test_a_compose_that_takes_its_time_is_no_missing_one(here: Target, tools: Path) -> None:
    program(tools / "docker", "case $* in *compose\\ version*) sleep 3 && echo 5.0 ;; version*) echo 29.0 ;; esac")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.docker, seen.compose, seen.silent) == ("29.0", "5.0", ())


@pytest.mark.usefixtures("pid")
def test_a_docker_that_stops_answering_is_noticed_though_its_version_is_known(
    here: Target, tools: Path, tmp_path: Path, resident: Callable[[Target], Callable[[], Facts]]
) -> None:
    gone = tmp_path / "gone"
    program(tools / "docker", f"[ ! -e {gone} ] || {{ echo 'no daemon' >&2; exit 1; }}\ncase $* in version*) echo 29.0 ;; esac")
    look = resident(here)
    assert [look().docker for _ in range(4)] == ["29.0"] * 4
    gone.touch()
    seen = look()
    assert (seen.docker, seen.docker_error) == ("silent", "no daemon")
    gone.unlink()
    assert look().docker == "29.0"


@pytest.mark.usefixtures("pid")
def test_a_docker_that_has_just_come_back_is_none_that_is_silent(
    here: Target, tools: Path, tmp_path: Path, resident: Callable[[Target], Callable[[], Facts]]
) -> None:
    """Its containers' ids are no reason of a refusal."""
    away = tmp_path / "away"
    twice = f'n=$(cat {away} 2>/dev/null); [ "${{n:-0}}" = 0 ] || {{ echo $((n - 1)) >{away}; echo restarting >&2; exit 1; }}'
    program(tools / "docker", f"case $* in ps*) {twice}\n echo abc123 ;; version*) echo 29.0 ;; esac")
    look = resident(here)
    for _ in range(3):
        look()
    for times in (1, 2):
        away.write_text(f"{times}\n")
        seen = look()
        assert (seen.docker, seen.docker_error) == (("29.0", "") if times == 1 else ("silent", "restarting"))


async def test_images_are_asked_for_where_there_may_be_releases(here: Target, tools: Path) -> None:
    program(tools / "docker", "case $* in version*) echo 29.0 ;; image*) echo sha256:1 ;; esac")
    assert (await probe(LocalRunner(Secrets()), UNIT, here)).image_ids == ()
    (Path(here.state) / "stacks/web").mkdir(parents=True)
    assert (await probe(LocalRunner(Secrets()), UNIT, here)).image_ids == ("sha256:1",)
