"""The demo keeps its promises: eleven units in the promised states, real updates and rollbacks, and nothing left behind."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clavel_tui.cli.parser import build
from clavel_tui.demo import Places, demo_fleet, environment
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.domain.operation import Outcome, Request, Verb
from clavel_tui.remote.serve import marked_processes
from clavel_tui.wiring import Wiring, run_verb

START = "import sys; from clavel_tui.wiring import main; sys.exit(main())"


class Demo:
    """A demo fleet, and a hand to type verbs with."""

    def __init__(self, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
        self.places = places
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = run_verb(build().parse_args(words), self.wiring())
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def wiring(self) -> Wiring:
        p = self.places
        return Wiring(demo_settings(p))

    def json(self, *words: str) -> Any:  # noqa: ANN401
        return json.loads(self(*words, "--json")[1])

    def stack(self, unit: str, name: str) -> Any:  # noqa: ANN401
        return next(s for s in self.json("stacks", "--unit", unit) if s["name"] == name)

    def docker(self, unit: str, *words: str) -> str:
        """The unit's own docker, past everything of ours."""
        folder = self.places.root / unit
        done = subprocess.run([str(folder / "bin/docker"), *words], env=environment(folder), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def image_of(self, unit: str, container: str) -> str:
        return self.docker(unit, "inspect", "--format", "{{.Image}}", container)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where demos of this test stand."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def demo(temporary: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Demo]:
    with demo_fleet() as places:
        yield Demo(places, capsys)
    assert list(temporary.iterdir()) == []
    assert marked_processes(f"{temporary}/") == []


def test_eleven_units_in_the_promised_states(demo: Demo) -> None:
    units = {u["name"]: u for u in demo.json("units")}
    assert sorted(units) == [
        "argentum", "blackphos", "cinnabar", "electrum", "galena", "rosegold",
        "rpi-box-01", "rpi-box-02", "rpi-box-03", "scheelite", "stibnite",
    ]  # fmt: skip
    others = {"rosegold": "away", "rpi-box-02": "degraded"}
    assert {name: u["health"] for name, u in units.items()} == {name: others.get(name, "ok") for name in units}
    assert {r["code"] for r in units["rpi-box-02"]["reasons"]} == {"disk", "throttled"}
    assert {name for name, u in units.items() if u["drift"]} == {"galena"}
    assert units["galena"]["drift"][0]["code"] == "files"
    assert "refuses connections" in units["rosegold"]["trouble"]
    assert units["cinnabar"]["os"] == "NixOS 25.11 (Xantusia)"
    assert units["stibnite"]["os"] == "macOS 15.7.1"


def test_each_stack_runs_a_recorded_release_and_has_a_last_known_good(demo: Demo) -> None:
    stacks = demo.json("stacks")
    assert len(stacks) == 9
    for stack in stacks:
        assert 2 <= len(stack["releases"]) <= 3
        assert stack["running"] == stack["releases"][0]["id"]
        assert stack["last_known_good"] in {r["id"] for r in stack["releases"][1:]}
        assert all(r["restorable"] for r in stack["releases"])


def test_facts_are_the_units_own_and_not_this_machines(demo: Demo) -> None:
    facts = {name: demo.json("show", name)["facts"] for name in ("rpi-box-01", "scheelite", "stibnite")}
    assert {f["hostname"] for f in facts.values()} == set(facts)
    assert len({f["boot_id"] for f in facts.values()}) == 3
    assert facts["rpi-box-01"]["arch"] == "aarch64"
    assert (facts["scheelite"]["cpus"], facts["scheelite"]["mem_total_kib"]) == (8, 32100 * 1024)
    assert [d["at"] for d in facts["stibnite"]["disks"]] == ["/"]
    assert facts["rpi-box-01"]["current"].startswith("/nix/store/")
    assert facts["rpi-box-01"]["generations"][-1] == [14, facts["rpi-box-01"]["current"]]
    assert facts["stibnite"]["kernel"] == "Darwin 24.6.0"


def test_an_update_goes_well_and_a_rollback_restores_the_recorded_images(demo: Demo) -> None:
    before = demo.stack("cinnabar", "web")
    proxy = demo.docker("cinnabar", "inspect", "--format", "{{.ID}}", "web-proxy-1")
    assert demo("update", "web", "--unit", "cinnabar", "--yes")[0] == 0
    after = demo.stack("cinnabar", "web")
    assert after["running"] not in {r["id"] for r in before["releases"]}
    assert after["last_known_good"] == before["running"]
    assert demo.docker("cinnabar", "inspect", "--format", "{{.ID}}", "web-proxy-1") == proxy

    assert demo("rollback", "web", "--unit", "cinnabar", "--yes")[0] == 0
    back = demo.stack("cinnabar", "web")
    assert back["running"] == back["held"]["release"] == before["running"]
    recorded = next(r["images"] for r in before["releases"] if r["id"] == before["running"])
    assert {s: demo.image_of("cinnabar", f"web-{s}-1") for s in recorded} == recorded
    code, _, err = demo("update", "web", "--unit", "cinnabar", "--yes")
    assert code == 3
    assert "HELD" in err
    assert [o["outcome"] for o in demo.json("history")] == ["succeeded", "succeeded"]


def test_systems_are_built_copied_deployed_and_brought_back(demo: Demo) -> None:
    """By a Nix that is simulated, and the scripts of any real unit."""

    def runs(unit: str) -> str:
        return (demo.places.root / unit / "run/current-system").resolve().name

    demo("eval")
    first = {unit: runs(unit) for unit in ("electrum", "stibnite")}
    wanted = {plan["request"]["unit"]: plan["release"] for plan in demo.json("deploy", *first, "--dry-run")}
    code, _, said = demo("deploy", *first, "--yes")
    assert code == 0, said
    assert "nginx: 1.28." in said
    assert "would restart: nginx.service, sshd.service" in said
    assert {unit: f"/nix/store/{runs(unit)}" for unit in first} == wanted
    assert demo("rollback", "--unit", "electrum", "--yes")[0] == 0
    assert runs("electrum") == first["electrum"]
    rows = {row["path"]: row["verdict"] for row in demo.json("generations", "electrum")}
    assert rows[wanted["electrum"]] == "good"


def test_a_bad_update_returns_by_itself(demo: Demo) -> None:
    before, image = demo.stack("electrum", "uptime"), demo.image_of("electrum", "uptime-uptime-1")
    code, out, _ = demo("update", "uptime", "--unit", "electrum", "--yes")
    assert code == 5
    assert "returned by itself" in out
    assert demo.image_of("electrum", "uptime-uptime-1") == image
    assert demo.stack("electrum", "uptime")["running"] == before["running"]
    assert demo.json("units", "--unit", "electrum")[0]["health"] == "ok"


def test_a_release_of_the_demo_is_what_the_real_script_records(demo: Demo) -> None:
    for unit, stack in (("cinnabar", "web"), ("rpi-box-01", "pihole"), ("scheelite", "inference")):
        running = demo.stack(unit, stack)["running"]
        ours = demo.places.root / unit / "var/lib/clavel/stacks" / stack / "releases" / running
        kept = ours.with_name("kept")
        shutil.move(ours, kept)
        assert demo("remove", stack, "--unit", unit, "--yes")[0] == 0
        for name in ("manifest", "containers", "managed"):
            assert sorted((ours / name).read_text().splitlines()) == sorted((kept / name).read_text().splitlines()), name
        assert (ours / "manifest").read_text() == (kept / "manifest").read_text()
        assert subprocess.run(["diff", "-r", ours / "folder", kept / "folder"]).returncode == 0


async def test_rolling_back_works_everywhere(demo: Demo) -> None:
    async with demo.wiring().client() as client:
        await client.refresh()
        stacks = [view for unit in (await client.snapshot()).units for view in unit.stacks]
        first = {view.unit: view for view in stacks}
        for wave in (first.values(), [view for view in stacks if first[view.unit] is not view]):
            requests = [Request(unit=view.unit, stack=view.name, verb=Verb.ROLLBACK) for view in wave]
            plans = await asyncio.gather(*(client.plan(request) for request in requests))
            assert [plan.refusal for plan in plans if plan.refusal] == []
            ids = [await client.submit(plan) for plan in plans]
            done = await asyncio.gather(*(client.wait(ident) for ident in ids))
            assert [(o.outcome, o.release, o.text) for o in done if o.outcome is not Outcome.SUCCEEDED] == []
            assert [o.release for o in done] == [view.good for view in wave]
    assert len(stacks) == 9


def test_files_that_compose_refuses_change_nothing(demo: Demo) -> None:
    file = demo.places.hosts / "electrum/compose/uptime/compose.yaml"
    file.write_text(file.read_text().replace("    image: ", "   image: "))
    code, out, _ = demo("update", "uptime", "--unit", "electrum", "--yes")
    assert code == 3
    assert "yaml: line" in out
    assert demo.stack("electrum", "uptime")["services"][0]["state"] == "running"


def test_logs_tell_of_the_version_that_runs(demo: Demo) -> None:
    demo("restart", "web", "--unit", "cinnabar", "--service", "app", "--yes")
    code, out, _ = demo("logs", "web", "--unit", "cinnabar", "--service", "app", "--tail", "5")
    assert code == 0
    assert "app 1.9.2 is starting" in out


AS_TYPED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""Whatever began the tests may have wished to be left alone by a Ctrl-C; a person's shell does not."""


def spawn(*words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", AS_TYPED + START, "demo", *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_the_verb_demo_is_quick_and_leaves_nothing(temporary: Path) -> None:
    begun = time.monotonic()
    process = spawn("units", "--json")
    out, _ = process.communicate(timeout=30)
    assert time.monotonic() - begun < 15
    assert process.returncode == 0
    assert len(json.loads(out)) == 11
    assert list(temporary.iterdir()) == []


def until_it_activates(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    for line in process.stderr:
        if "· activate" in line:
            return
    raise AssertionError(process.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_an_interruption(temporary: Path, number: signal.Signals) -> None:
    process = spawn("update", "uptime", "--unit", "electrum", "--yes")
    until_it_activates(process)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert marked_processes(f"{temporary}/") == []
    assert list(temporary.iterdir()) == []


def test_the_next_demo_clears_what_a_killed_one_left(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = spawn("update", "uptime", "--unit", "electrum", "--yes")
    until_it_activates(process)
    process.kill()
    process.communicate(timeout=30)
    (left,) = temporary.iterdir()
    with demo_fleet() as places:
        assert not left.exists()
        assert list(temporary.iterdir()) == [places.root]
        assert marked_processes(f"{left}/") == []
    assert list(temporary.iterdir()) == []
