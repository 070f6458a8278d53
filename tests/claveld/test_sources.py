"""Sources that claveld was told of: added beside fleet.toml, pinned to a revision that it had, and taken out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clavel_tui.claveld import sources
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import Evaluation, Lock, Source, SourcePin, Trigger, standing
from tests.history.test_deployments import deployment

from .conftest import FLEET, Claveld

A, B = deployment("amber"), deployment("amber", "b")
OLD, NEW = "a" * 40, "b" * 40


def evaluation(revision: str, *, dirty: bool = False, name: str = "main") -> Evaluation:
    url = f"git+file:///repository?rev={revision}"
    return Evaluation(
        source=Source(name=name, url="/repository"), lock=Lock(url=url, nar_hash="sha256-1", revision=revision, dirty=dirty)
    )


@pytest.fixture
async def two(claveld: Claveld) -> Claveld:
    """Two revisions were evaluated."""
    for revision, found in ((OLD, A), (NEW, B)):
        await claveld.coordinator.deployments.record(evaluation(revision), [found], "claveld", "evaluated main")
    await claveld.coordinator.look()
    return claveld


async def test_a_source_stays_at_a_revision_that_it_had_and_follows_again(two: Claveld) -> None:
    state = (await two.post("/v1/sources/main/pin", {"revision": "aaaa", "why": "b is slow"})).json()
    pin = state["source"]["pin"]
    assert (pin["revision"], pin["url"], pin["operator"], pin["why"]) == (
        OLD,
        f"git+file:///repository?rev={OLD}",
        "ann",
        "b is slow",
    )
    assert state["source"]["url"] == "/repository"
    record = two.coordinator.deployments.record
    with pytest.raises(RefusedError, match="main was pinned at aaaaaaaaaaaa meanwhile by ann"):
        await record(evaluation(NEW), [B], "claveld", "began before it was pinned")
    with pytest.raises(RefusedError, match="was pinned"):
        await record(evaluation(OLD, dirty=True), [B], "claveld", "a dirty tree is another one")
    await record(evaluation(NEW, name="other"), [], "claveld", "another source")
    await record(evaluation(OLD), [A], "claveld", "evaluated main")
    assert (await two.get("/v1/refs/amber")).json()["deployment"]["id"] == A.id
    again = await two.post("/v1/sources/main/unpin", {})
    assert again.json()["source"]["pin"] is None
    await record(evaluation(NEW), [B], "claveld", "evaluated main")
    assert (await two.post("/v1/sources/main/unpin", {})).status_code == 422
    said = [event["text"] for event in (await two.get("/v1/events")).json() if event["kind"] == "source"]
    assert said == ["main stays at aaaaaaaaaaaa: ann, b is slow", "main follows its reference again: ann"]


async def test_where_none_is_said_it_stays_where_it_is(two: Claveld) -> None:
    assert (await two.post("/v1/sources/main/pin", {})).json()["source"]["pin"]["revision"] == NEW


@pytest.mark.parametrize(
    ("name", "revision", "said"),
    [("main", "c", "no evaluated revision of main begins with c"), ("other", "", "there is no source other")],
)
async def test_what_was_not_evaluated_is_nothing_to_stay_at(two: Claveld, name: str, revision: str, said: str) -> None:
    answer = await two.post(f"/v1/sources/{name}/pin", {"revision": revision})
    assert (answer.status_code, answer.json()["detail"]) == (422, said)
    assert await two.coordinator.sources.all() == []


async def test_a_beginning_of_two_revisions_is_none_of_them(two: Claveld) -> None:
    await two.coordinator.deployments.record(evaluation("ab" * 20), [A], "claveld", "")
    answer = await two.post("/v1/sources/main/pin", {"revision": "a"})
    assert answer.json()["detail"] == "more than one evaluated revision of main begins with a"


async def test_a_folder_and_a_dirty_tree_have_no_revision_to_stay_at(two: Claveld) -> None:
    for last in (evaluation(""), evaluation(NEW, dirty=True)):
        await two.coordinator.deployments.record(last, [A], "claveld", "")
        answer = await two.post("/v1/sources/main/pin", {})
        assert answer.json()["detail"] == "main has no revision: it is a folder, or a dirty tree"


@pytest.mark.parametrize("revision", ["zz", "A", "a" * 65, "a\n"])
async def test_what_is_no_revision_is_refused(two: Claveld, revision: str) -> None:
    assert (await two.post("/v1/sources/main/pin", {"revision": revision})).status_code == 422


async def test_one_is_added_and_taken_out(claveld: Claveld) -> None:
    kept = claveld.coordinator.sources
    told: list[int] = []
    claveld.coordinator.sources_told = lambda: told.append(1)
    source = Source(name="edge", url="github:ada/edge", on=Trigger.SCHEDULE, every_minutes=5, added_by="ada")
    await sources.add(kept, FLEET.sources, source)
    await claveld.coordinator.look()
    assert told == [1]
    assert standing(FLEET.sources, await kept.all()) == [source, *FLEET.sources]
    assert (await claveld.post("/v1/sources/edge/evaluations", {})).status_code == 202
    with pytest.raises(RefusedError, match="edge is github:ada/edge already"):
        await sources.add(kept, FLEET.sources, source)
    await claveld.coordinator.deployments.record(evaluation(OLD, name="edge"), [A], "claveld", "")
    await kept.remove("edge", "ada")
    assert standing(FLEET.sources, await kept.all()) == list(FLEET.sources)
    assert {*await claveld.coordinator.deployments.sources()} == {"main"}
    assert (await claveld.get(f"/v1/deployments/amber@{A.id}")).status_code == 200
    for name in ("edge", "main"):
        with pytest.raises(RefusedError, match=f"no source {name} was added"):
            await kept.remove(name, "ada")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source(name="main", url="/x"), "fleet.toml names a source main already"),
        (Source(name="Main!", url="/x"), "Main! is no name of a source"),
        (Source(name="a", url="--impure"), "'--impure' is no flake reference"),
        (Source(name="a", url="x y"), "'x y' is no flake reference"),
        (Source(name="a", url="./x"), "./x is a path from here"),
        (Source(name="a", url="path:../x"), "path:../x is a path from here"),
        (Source(name="a", url="/x", on=Trigger.SCHEDULE), "a schedule wants to know how often"),
        (Source(name="a", url="/x", every_minutes=20_000), "every 20000 minutes is no schedule"),
    ],
)
async def test_what_is_no_source_is_not_added(claveld: Claveld, source: Source, said: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await sources.add(claveld.coordinator.sources, FLEET.sources, source)
    assert said in refused.value.text
    assert refused.value.hint
    assert await claveld.coordinator.sources.all() == []


async def test_one_of_the_files_comes_before_one_that_was_added_under_its_name(claveld: Claveld) -> None:
    kept = claveld.coordinator.sources
    await kept.add(Source(name="main", url="/other", added_by="ada"))
    pin = SourcePin(revision=OLD, url="/other?rev=1", at=1.0, operator="ada")
    await kept.pin("main", pin)
    (found,) = standing(FLEET.sources, await kept.all())
    assert (found.url, found.added_by, found.reference) == ("/repository", "", "/other?rev=1")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """The commands of a claveld that does not run."""
    fleet = tmp_path / "hosts"
    fleet.mkdir()
    (fleet / "fleet.toml").write_text('name = "test"\n[sources.main]\nurl = "/repository"\n')
    (tmp_path / "claveld.toml").write_text(f'fleet = "{fleet}"\ndatabase = "{tmp_path}/claveld.db"\n')

    def ask(*words: str) -> tuple[int, str]:
        code = "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"
        argv = [sys.executable, "-c", code, "--config", str(tmp_path / "claveld.toml"), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return ask


def test_by_the_commands(run: Callable[..., tuple[int, str]]) -> None:
    assert run("source", "add", "edge", "github:ada/edge", "--on", "schedule", "--every", "5") == (0, "")
    code, said = run("source", "list")
    edge, main = (line.split("\t") for line in said.splitlines())
    assert (code, edge[:4]) == (0, ["edge", "github:ada/edge", "on schedule, each 5 min", "follows its reference"])
    assert edge[4].startswith("added by ")
    assert main == ["main", "/repository", "on change", "follows its reference", "fleet.toml"]
    assert run("source", "pin", "edge") == (3, "claveld: edge was never evaluated\n  say one that was evaluated\n")
    assert run("source", "unpin", "edge")[0] == 3
    assert run("source", "remove", "edge") == (0, "edge is evaluated no more; refs stay where they point\n")
    assert run("source", "list")[1].count("\n") == 1
