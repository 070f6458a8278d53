"""Deployments never change, whoever opens the file; a ref always points to one; each move is told."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clavel_tui.domain.deployment import Deployment, Specification, Template, differences, full_name
from clavel_tui.domain.source import Evaluation, Lock, Source
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.deployments import AGAIN_S, Deployments
from clavel_tui.store import Database

SOURCE = Source(name="main", url="/repository")


def path(text: str) -> str:
    return f"/nix/store/{text * 32}-nixos-system"


def deployment(name: str = "amber", text: str = "a", source_hash: str = "sha256-1", **metadata: str) -> Deployment:
    return Deployment.of(Specification(unit=name, template=Template(nar_id=path(text))), "/repository", source_hash, **metadata)


def evaluation(revision: str = "r1") -> Evaluation:
    return Evaluation(source=SOURCE, lock=Lock(url="git+file:///repository", nar_hash="sha256-1", revision=revision, nix="2.8.0"))


async def recorded(file: Path, *batches: list[Deployment]) -> Deployments:
    database = await Database.open(file, MIGRATIONS)
    clock = iter(range(100, 10_000))
    deployments = Deployments(database, lambda: float(next(clock)))
    for number, batch in enumerate(batches):
        await deployments.record(evaluation(f"r{number}"), batch, "ann", "evaluated main")
    return deployments


async def test_the_same_content_is_the_same_deployment() -> None:
    assert deployment() == deployment()
    assert deployment(attribute="elsewhere").id == deployment().id
    assert deployment(source_hash="sha256-2").id != deployment().id
    assert deployment(name="beryl").id != deployment().id


@pytest.mark.parametrize("table", ["deployments", "evaluations", "ref_moves"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}", "DELETE FROM {} WHERE 1"])
async def test_neither_update_nor_delete_by_another_program(tmp_path: Path, table: str, statement: str) -> None:
    await recorded(tmp_path / "j.db", [deployment()])
    with sqlite3.connect(tmp_path / "j.db") as raw:
        before = raw.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=r"immutable|does not change"):
            raw.execute(statement.format(table))
        assert raw.execute(f"SELECT * FROM {table}").fetchall() == before != []


async def test_a_ref_points_to_a_deployment_also_for_another_program(tmp_path: Path) -> None:
    await recorded(tmp_path / "j.db", [deployment()])
    with sqlite3.connect(tmp_path / "j.db") as raw:
        for statement in ("UPDATE refs SET deployment = 'none'", "INSERT INTO refs VALUES ('beryl', 'none')"):
            with pytest.raises(sqlite3.IntegrityError, match="no such Deployment"):
                raw.execute(statement)


@pytest.mark.parametrize("table", ["deployments", "evaluations", "ref_moves"])
async def test_nor_by_a_replace_which_asks_no_trigger_for_a_delete(tmp_path: Path, table: str) -> None:
    await recorded(tmp_path / "j.db", [deployment()])
    with sqlite3.connect(tmp_path / "j.db") as raw:
        (before,) = raw.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=r"immutable|does not change"):
            raw.execute(f"INSERT OR REPLACE INTO {table} VALUES ({','.join('?' * len(before))})", before)
        assert raw.execute(f"SELECT * FROM {table}").fetchall() == [before]


async def test_heads_say_how_far_behind_a_path_is(tmp_path: Path) -> None:
    deployments = await recorded(tmp_path / "j.db", *([deployment(text=text)] for text in ("a", "b", "c")))
    head = (await deployments.heads())["amber"]
    assert head.nar_id == path("c")
    assert [step for _, step in (head.behind(path("a")) or ("", -1), head.behind(path("c")) or ("", -1))] == [2, 0]
    assert head.behind(path("z")) is None


async def test_a_move_says_who_when_and_from_what(tmp_path: Path) -> None:
    first, second = deployment(text="a"), deployment(text="b")
    deployments = await recorded(tmp_path / "j.db", [first], [second], [second], [first])
    moves = await deployments.moves("amber")
    assert [(m.deployment, m.before, m.operator, m.why) for m in moves] == [
        (first.id, second.id, "ann", "evaluated main"),
        (second.id, first.id, "ann", "evaluated main"),
        (first.id, "", "ann", "evaluated main"),
    ]
    (newest, older) = await deployments.deployments("amber")
    assert (newest.deployment, newest.revision, newest.evaluations) == (first, "r3", 2)
    assert (older.deployment, older.revision, older.evaluations) == (second, "r2", 2)


def test_a_short_name_grows_until_it_is_plain() -> None:
    ids = ["abcdef0123", "abcdef01ff", "9" * 10]
    assert full_name("amber", ids[0], ids) == "amber@abcdef012"
    assert full_name("amber", ids[2], ids) == "amber@99999999"


def test_what_differs_is_named_by_its_field() -> None:
    assert set(differences(deployment(text="a"), deployment(text="b"))) == {"narId"}
    assert differences(deployment(), deployment()) == {}


STEPS = st.lists(
    st.dictionaries(st.sampled_from(["amber", "beryl", "coral"]), st.sampled_from("abcd"), min_size=1), min_size=1, max_size=8
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_evaluated_deployments_stay_and_refs_point_to_one(steps: list[dict[str, str]]) -> None:
    """After every step: all rows of before are there unchanged, each ref is the newest of its name, and points to a row."""

    async def run(file: Path) -> None:
        database = await Database.open(file, MIGRATIONS)
        deployments = Deployments(database, lambda: 1.0)
        seen: dict[str, str] = {}
        newest: dict[str, str] = {}
        for step in steps:
            batch = [deployment(name, text) for name, text in step.items()]
            await deployments.record(evaluation(), batch, "ann", "test")
            newest |= {one.name: one.id for one in batch}
            with sqlite3.connect(file) as raw:
                rows = dict(raw.execute("SELECT id, body FROM deployments").fetchall())
                refs = dict(raw.execute("SELECT name, deployment FROM refs").fetchall())
            assert seen.items() <= rows.items()
            assert refs == newest
            assert set(refs.values()) <= rows.keys()
            seen = rows
        await database.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder) / "j.db"))


async def test_what_was_evaluated_again_to_the_same_is_no_news_for_a_day(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "j.db", MIGRATIONS)
    now = 1000.0
    deployments = Deployments(database, lambda: now)
    both = [deployment(), deployment("beryl")]
    assert await deployments.is_news(evaluation(), both, "claveld")
    await deployments.record(evaluation(), both, "claveld", "")
    before = await database.rows("SELECT * FROM evaluations")
    assert not await deployments.is_news(evaluation(), both, "claveld")
    now += 3600
    await deployments.looked(evaluation())
    assert (await deployments.sources())["main"][0] == now
    await deployments.record(evaluation(), both, "claveld", "")
    assert await database.rows("SELECT * FROM evaluations") == before  # as recording it would have it
    assert await deployments.is_news(evaluation("r2"), both, "claveld")
    assert await deployments.is_news(evaluation(), both, "ann")
    assert await deployments.is_news(evaluation(), [*both, deployment("coral")], "claveld")
    assert await deployments.is_news(evaluation(), [deployment(text="b")], "claveld")
    now += AGAIN_S
    assert await deployments.is_news(evaluation(), both, "claveld")
    await database.close()
