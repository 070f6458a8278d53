"""Facts from frames that real hosts gave: see capture.py for how each was brought about."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Level, judge
from clavel_tui.domain.stackview import stack_views
from clavel_tui.probe import parse, parse_frame
from clavel_tui.probe.ask import FRAGMENTS
from clavel_tui.unit import script

from .capture import CHECKS, FIXTURES, UNIT

STACKS = ("bookworm", "trixie")


def frame(name: str) -> list[str]:
    """The lines as the transport hands them to the parser: without the first and the last."""
    lines = (FIXTURES / f"{name}.frame").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("<< fixture", ">> fixture")
    return lines[1:-1]


def facts(lines: list[str], *, whole: bool = True) -> Facts:
    return parse_frame("h1", lines, at=1002.0, begun=1000.0, whole=whole, fragments=tuple(FRAGMENTS))


def test_every_scenario_was_captured_on_both_stacks() -> None:
    names = {f"{stack}-{scenario}.frame" for stack in STACKS for scenario in ("running", "stopped", "without_docker")}
    assert {file.name for file in FIXTURES.iterdir()} == names


@pytest.mark.parametrize(
    ("stack", "version", "init", "docker"), [("bookworm", "12", "other", "20.10."), ("trixie", "13", "systemd", "26.1.")]
)
def test_a_host_with_stacks(stack: str, version: str, init: str, docker: str) -> None:
    seen = facts(frame(f"{stack}-running"))
    assert (seen.silent, seen.took, seen.root) == ((), 2.0, True)
    assert (seen.os_id, seen.os_version, seen.init) == ("debian", version, init)
    assert seen.os.startswith("Debian GNU/Linux")
    assert (seen.arch, seen.hostname) == ("x86_64", "h1")
    assert seen.kernel.startswith("Linux ")
    assert len(seen.boot_id) == 36
    assert seen.uptime
    assert len(seen.load) == 3
    assert seen.cpus
    assert seen.mem_total_kib
    assert 0 < (seen.mem_free_kib or 0) < seen.mem_total_kib
    assert seen.docker.startswith(docker)
    assert seen.compose.startswith("2.")
    assert seen.disks
    assert all(disk.size >= disk.used > 0 for disk in seen.disks)
    assert [number for number, _ in seen.generations] == [1, 2]
    assert {path.partition("-")[2] for _, path in seen.generations} == {"system"}
    assert seen.nix.startswith("nix (Nix) 2.")
    assert seen.failed_units == (("broken.service",) if stack == "trixie" else ())
    assert (seen.state, seen.jobs, len(seen.born)) == ("present", (), 64)


@pytest.mark.parametrize("stack", STACKS)
def test_containers_and_images(stack: str) -> None:
    seen = facts(frame(f"{stack}-running"))
    app, once = sorted(seen.containers, key=lambda c: c.service)
    assert (app.service, app.state, app.health, app.policy, app.restarts) == ("app", "running", "healthy", "always", 0)
    assert (once.service, once.state, once.health, once.policy, once.exit_code) == ("once", "exited", "", "no", 0)
    assert (app.project, app.name, app.working_dir, app.error) == ("web", "web-app-1", "/srv/web", "")
    assert ":5000/app:v2@sha256:" in app.ref
    assert once.ref.endswith(":5000/once:v1")
    images = {image.id: image for image in seen.images}
    assert set(images) == {app.image, once.image}
    assert images[once.image].platform == "linux/amd64"
    assert once.ref in images[once.image].tags
    assert ":5000/once@sha256:" in images[once.image].digests[0]
    assert set(images) < set(seen.image_ids)
    assert all(ident.startswith("sha256:") and len(ident) == 71 for ident in seen.image_ids)


@pytest.mark.parametrize("stack", STACKS)
def test_releases_and_the_hold(stack: str) -> None:
    seen = facts(frame(f"{stack}-running"))
    web, absent = stack_views(UNIT, seen)
    assert (absent.containers, absent.releases) == ((), ())
    new, old = web.releases
    assert (new.seq > old.seq, new.health, old.health) == (True, "healthy", "healthy")
    assert (web.running, web.good, web.missing) == (new.id, old.id, {})
    assert old.images()["app"] != new.images()["app"]
    assert old.images()["once"] == new.images()["once"]
    assert (new.project, new.docker, new.compose) == ("web", seen.docker, seen.compose)
    assert new.services[0].platform == "linux/amd64"
    assert new.services[0].digests[0].partition("@")[2].startswith("sha256:")
    assert web.held
    assert (web.held.release, web.held.reason) == (new.id, "over the weekend")
    kept = seen.stack("web")
    assert kept
    assert kept.files == new.files
    assert {line.split(" ", 2)[2] for line in kept.files} == {"./.env", "./compose.yaml", "./conf", "./conf/a b.txt"}


@pytest.mark.parametrize("stack", STACKS)
def test_checks(stack: str) -> None:
    found = {result.line: result.code for result in facts(frame(f"{stack}-running")).checks}
    systemd = found.pop("systemd ssh.service")
    assert (systemd == 0) is (stack == "trixie")
    assert found == dict(zip((f"command {line}" for line in CHECKS), (0, 3, 124), strict=True))


@pytest.mark.parametrize("stack", STACKS)
def test_an_engine_that_is_down_costs_its_own_facts_only(stack: str) -> None:
    seen = facts(frame(f"{stack}-stopped"))
    assert (seen.docker, seen.containers, seen.silent) == ("silent", (), ())
    assert "Cannot connect to the Docker daemon" in seen.docker_error
    web = seen.stack("web")
    assert web
    assert len(web.releases) == 2
    health = judge(UNIT, seen)
    assert (health.level, "docker-silent") == (Level.FAILED, next(r.code for r in health.reasons if "docker" in r.code))


@pytest.mark.parametrize("stack", STACKS)
def test_a_host_without_docker_and_without_our_state(stack: str) -> None:
    seen = facts(frame(f"{stack}-without_docker"))
    assert (seen.docker, seen.compose, seen.containers, seen.images, seen.image_ids) == ("missing", "", (), (), ())
    assert (seen.state, seen.stacks, seen.born, seen.silent) == ("none", (), "", ())
    assert seen.os_id == "debian"


def test_the_clock_is_compared_with_the_middle_of_the_look() -> None:
    seen = facts(["== host", "clock\t1006", "=. host 0"])
    assert seen.clock_skew == 5.0


@pytest.mark.parametrize("code", [124, 137, 142, 143])
def test_a_fragment_that_was_stopped_at_its_deadline_is_silent(code: int) -> None:
    lines = [line if line != "=. docker 0" else f"=. docker {code}" for line in frame("trixie-running")]
    assert facts(lines).silent == ("docker",)


def test_a_frame_that_was_cut_names_what_is_missing() -> None:
    lines = frame("trixie-running")
    cut = lines[: lines.index("== docker") + 3]
    seen = facts(cut, whole=False)
    assert seen.silent == ("docker", "state", "checks")
    assert seen.os_id == "debian"
    assert facts([], whole=False).silent == tuple(FRAGMENTS)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_frame_cut_anywhere_is_no_error(data: st.DataObject) -> None:
    text = "\n".join(frame("bookworm-running"))
    cut = text[: data.draw(st.integers(0, len(text)))].split("\n")
    seen = facts(cut, whole=False)
    done = {line.split()[1] for line in cut if line.startswith("=. ") and len(line.split()) == 3}
    assert set(seen.silent) == set(FRAGMENTS) - done


FIELD = st.one_of(st.text(max_size=8), st.sampled_from(["nan", "inf", "-1", "²", "9" * 30, "null", '"a"', "[1]", "[" * 5000]))
KEY = st.sampled_from(
    ["temperature_mc", "clock", "cpus", "mem_total_kib", "load", "uptime", "disk", "failed", "generation", "docker", "container",
     "images", "image", "job", "stack", "held", "release", "service", "seen", "tools", "file", "project", "check"]
)  # fmt: skip
ROWS = st.lists(st.builds(lambda key, rest: "\t".join([key, *rest]), KEY, st.lists(FIELD, max_size=16)), max_size=12)


@given(fragment=st.sampled_from(sorted(FRAGMENTS)), rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_whatever_a_unit_says_is_no_error_and_can_be_kept(fragment: str, rows: list[str]) -> None:
    seen = facts([f"== {fragment}", *rows, f"=. {fragment} 0"])
    assert Facts.model_validate_json(seen.model_dump_json()) == seen


def test_no_control_character_comes_through() -> None:
    evil = "\x1b[31mred\x1b]0;t\x07"
    text = r'"\u001b[2Jx\u202e"'
    fields = ["container", evil, evil, "id", "sha256:1", evil, evil, "0", "0", evil, evil, text, text, text, text, text]
    docker = [
        "== docker",
        f"docker\t{evil}",
        f"compose\t{evil}",
        "\t".join(fields),
        f"image\tsha256:1\t{evil}\t[{text}]\t[{text}]",
        "=. docker 0",
    ]
    host = ["== host", f"arch\t{evil}", f"os_ID\t{evil}", f"boot_id\t{evil}", f"throttled\t{evil}", "=. host 0"]
    kept = facts([*docker, *host])
    assert kept.containers[0].service == "red"
    assert kept.containers[0].ref == "x"
    assert kept.images[0].tags == ("x",)
    everything = kept.model_dump_json()
    assert "\\u001b" not in everything
    assert "\\u0007" not in everything
    assert "\u202e" not in everything


def test_fixtures_hold_no_path_of_the_machine_they_were_made_on() -> None:
    for file in FIXTURES.iterdir():
        assert str(Path(__file__).parents[2]) not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("there", "lacks"), [((), "flock sha256sum timeout mktemp tar"), (("perl", "tar", "shasum"), "mktemp")])
def test_the_host_tells_which_tools_it_lacks(tmp_path: Path, there: tuple[str, ...], lacks: str) -> None:
    """The real fragment, on a PATH with next to nothing."""
    for name in ("uname", "id", "date", "grep", *there):
        (tmp_path / name).symlink_to(shutil.which(name) or "/bin/true")
    text = script("lib.sh") + script("probe/host.sh")
    done = subprocess.run(["/bin/sh", "-c", text], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert f"lacks\t{lacks}\n" in done.stdout
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert parse._host(rows)["lacks"] == tuple(lacks.split())
