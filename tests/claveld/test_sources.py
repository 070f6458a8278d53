"""Sources that claveld was told of: added beside fleet.toml, pinned to a revision that it had, and taken out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clavel_tui.claveld import sources
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import Evaluation, Lock, Source, SourcePin, Trigger, repository, standing
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
    pinned = await two.post("/v1/sources/main/pin", {})
    assert (pinned.status_code, pinned.json()["detail"]) == (422, "main stays at aaaaaaaaaaaa already")
    with pytest.raises(RefusedError, match="was pinned"):
        await record(evaluation(OLD, dirty=True), [B], "claveld", "a dirty tree is another one")
    with pytest.raises(RefusedError, match="was pinned"):
        await two.coordinator.deployments.looked(evaluation(NEW))
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
    [("main", "c", "no evaluated revision of main that begins with c"), ("other", "", "there is no source other")],
)
async def test_what_was_not_evaluated_is_nothing_to_stay_at(two: Claveld, name: str, revision: str, said: str) -> None:
    answer = await two.post(f"/v1/sources/{name}/pin", {"revision": revision})
    assert (answer.status_code, answer.json()["detail"]) == (422, said)
    assert await two.coordinator.sources.all() == []


async def test_what_a_pinned_source_has_yielded_is_moved_by_no_other_one(two: Claveld) -> None:
    record = two.coordinator.deployments.record
    other = deployment("amber", "other")
    await two.post("/v1/sources/main/pin", {"revision": "aaaa"})
    await record(evaluation(NEW, name="other"), [other, deployment("beryl", "other")], "claveld", "before main is back")
    assert (await two.get("/v1/refs/amber")).json()["deployment"]["id"] == B.id
    await record(evaluation(OLD), [A], "claveld", "evaluated main")
    await record(evaluation(NEW, name="other"), [other], "claveld", "behind it")
    assert (await two.get("/v1/refs/amber")).json()["deployment"]["id"] == A.id
    await two.post("/v1/sources/main/unpin", {})
    await record(evaluation(NEW, name="other"), [other], "claveld", "and again")
    assert (await two.get("/v1/refs/amber")).json()["deployment"]["id"] == other.id


async def test_revisions_of_another_repository_that_had_the_name_are_none(two: Claveld) -> None:
    source = Source(name="main", url="https://example.org/other")
    lock = Lock(url=f"git+https://example.org/other?rev={'c' * 40}", nar_hash="sha256-2", revision="c" * 40)
    await two.coordinator.deployments.record(Evaluation(source=source, lock=lock), [A], "claveld", "")
    said = SourcePin(revision="", url="", of="", at=1.0, operator="ann")
    with pytest.raises(RefusedError, match="no evaluated revision of main that begins with aaaa"):
        await sources.pin(two.coordinator.sources, [source], "main", "aaaa", said)
    assert (await sources.pin(two.coordinator.sources, [source], "main", "", said)).revision == "c" * 40
    assert [one.pin for one in standing(FLEET.sources, await two.coordinator.sources.all())] == [None]
    assert [bool(one.pin) for one in standing([source], await two.coordinator.sources.all())] == [True]


async def test_where_the_newest_has_yielded_nothing_it_stays_at_what_has(two: Claveld) -> None:
    await two.coordinator.deployments.record(evaluation("c" * 40), [], "claveld", "every host failed")
    assert (await two.post("/v1/sources/main/pin", {})).json()["source"]["pin"]["revision"] == NEW


@pytest.mark.parametrize(
    ("locked", "other"),
    [
        ("git+file:///r?dir=x&ref=main&rev=1", "git+file:///r?rev=2"),
        (f"github:ada/fleet/{OLD}?dir=x", f"github:ada/fleet/{NEW}"),
    ],
)
def test_two_revisions_of_one_repository(locked: str, other: str) -> None:
    assert repository(locked) == repository(other)
    assert repository(locked) != repository(locked.replace("/r", "/s").replace("ada", "bob"))


async def test_a_beginning_of_two_revisions_is_none_of_them(two: Claveld) -> None:
    await two.coordinator.deployments.record(evaluation("ab" * 20), [A], "claveld", "")
    answer = await two.post("/v1/sources/main/pin", {"revision": "a"})
    assert answer.json()["detail"] == "more than one evaluated revision of main that begins with a"


async def test_a_folder_and_a_dirty_tree_have_no_revision_to_stay_at(two: Claveld) -> None:
    for last in (evaluation(""), evaluation(NEW, dirty=True)):
        await two.coordinator.deployments.record(last, [A], "claveld", "")
        answer = await two.post("/v1/sources/main/pin", {})
        assert answer.json()["detail"] == "no evaluated revision of main that is what it is now: it is dirty, a folder, or new"


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


async def test_what_was_evaluated_while_its_source_was_taken_out_moves_nothing(claveld: Claveld) -> None:
    kept, record = claveld.coordinator.sources, claveld.coordinator.deployments.record
    source = Source(name="edge", url="/repository", added_by="ada")
    late = evaluation(OLD, name="edge").model_copy(update={"source": source})
    await kept.add(source)
    await record(late, [B], "claveld", "")
    await kept.remove("edge", "ada")
    with pytest.raises(RefusedError, match="edge was removed meanwhile"):
        await record(late, [A], "claveld", "")
    await kept.add(source.model_copy(update={"url": "/other"}))
    with pytest.raises(RefusedError, match="edge was removed meanwhile"):
        await record(late, [A], "claveld", "")
    await kept.remove("edge", "ada")
    await record(evaluation(OLD, name="edge"), [A], "claveld", "one of the files, by then")


async def test_a_pin_goes_with_its_source_and_stays_with_that_of_the_files(claveld: Claveld) -> None:
    kept = claveld.coordinator.sources
    pin = SourcePin(revision=OLD, url="/repository?rev=1", of="/repository", at=1.0, operator="ada")
    for name in ("edge", "main"):
        await kept.add(Source(name=name, url="/repository", added_by="ada"))
        await kept.pin(name, pin)
        await sources.remove(kept, FLEET.sources, name, "ada")
    assert [(one.name, one.pin) for one in await kept.all()] == [("main", pin)]
    await kept.pin("edge", pin)
    await kept.add(Source(name="edge", url="/repository", added_by="ada"))
    assert [one.pin for one in await kept.all()] == [None, pin]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source(name="main", url="/x"), "fleet.toml names a source main already"),
        (Source(name="Main!", url="/x"), "Main! is no name of a source"),
        *(
            (Source(name="a", url=url), f"{url!r} is no flake reference that means the same from everywhere")
            for url in ("--impure", "x y", "./x", "path:../x", "path:x", "git+file:../x", "~/x", "x", "../x")
        ),
        (Source(name="a", url="/x", on=Trigger.SCHEDULE), "on schedule it wants to know how often"),
        (Source(name="a", url="/x", on=Trigger.REQUEST, every_minutes=5), "on request it is on no schedule"),
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
    pin = SourcePin(revision=OLD, url="/repository?rev=1", of="/repository", at=1.0, operator="ada")
    await kept.pin("main", pin)
    (found,) = standing(FLEET.sources, await kept.all())
    assert (found.url, found.added_by, found.reference) == ("/repository", "", "/repository?rev=1")


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
    code, said = run("source", "pin", "edge")
    assert (code, "no evaluated revision of edge that is what it is now" in said) == (3, True)
    assert "choose from 'change', 'schedule', 'request'" in run("source", "add", "x", "/x", "--on", "never")[1]
    assert run("source", "unpin", "edge")[0] == 3
    assert run("source", "remove", "edge") == (0, "")
    assert run("source", "list")[1].count("\n") == 1


def test_a_consoles_key_on_the_broker_is_not_the_claveld_in_a_console(run: Callable[..., tuple[int, str]]) -> None:
    keys = ["U" + letter * 55 for letter in "AB"]
    code, said = run("nats", "--claveld", keys[0], "--console", keys[1])
    assert (code, keys[0] in said, keys[1] in said) == (0, True, True)
