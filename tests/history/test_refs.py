"""A ref is moved by one who has seen where it points; pinned, evaluations leave it; unpinned, it follows its source again."""

from pathlib import Path

import pytest

from clavel_tui.domain.errors import MovedError, RefusedError
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.store import Database

from .test_deployments import deployment, evaluation

A, B, C = (deployment(text=text) for text in "abc")


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    database = await Database.open(tmp_path / "j.db", MIGRATIONS)
    for one in (A, B):
        await Deployments(database).record(evaluation(), [one], "ann", "evaluated main")
    return database


async def test_it_points_to_what_was_evaluated_last(database: Database) -> None:
    (state,) = await Refs(database).all()
    assert (state.deployment, state.short, state.pin) == (B, f"amber@{B.id[:8]}", None)
    assert await Refs(database).one("beryl") is None


async def test_pinned_it_stays_and_unpinned_it_goes_to_the_newest(database: Database) -> None:
    refs, deployments = Refs(database), Deployments(database)
    before = await refs.one("amber")
    assert before
    pinned = await refs.point("amber", A.id, "bob", "b is slow", before.revision)
    assert pinned.deployment == A
    assert pinned.pin
    assert (pinned.pin.operator, pinned.pin.why) == ("bob", "b is slow")
    await deployments.record(evaluation(), [C], "ann", "evaluated main")
    assert (await deployments.heads())["amber"].id == A.id
    after = await refs.unpin("amber", "bob", "", pinned.revision)
    assert (after.deployment, after.pin) == (C, None)
    told = await database.rows("SELECT kind, unit, text FROM events ORDER BY seq")
    assert [row[2] for row in told] == [
        f"amber@{A.id[:8]}, and stays there: bob, b is slow", f"amber@{C.id[:8]}, and follows its source again: bob",
    ]  # fmt: skip


async def test_the_second_of_two_who_saw_the_same_is_told_so(database: Database) -> None:
    refs = Refs(database)
    seen = await refs.one("amber")
    assert seen
    await refs.point("amber", A.id, "bob", "", seen.revision)
    with pytest.raises(MovedError, match="was moved meanwhile"):
        await refs.point("amber", B.id, "ann", "", seen.revision)
    with pytest.raises(MovedError):
        await refs.unpin("amber", "ann", "", seen.revision)
    now = await refs.one("amber")
    assert now
    assert now.deployment == A
    assert now.pin
    assert now.pin.operator == "bob"


async def test_what_is_not_there_is_refused_and_nothing_moves(database: Database) -> None:
    refs = Refs(database)
    for name, ident in (("amber", "0" * 64), ("beryl", A.id)):
        with pytest.raises(RefusedError, match="has no Deployment"):
            await refs.point(name, ident, "bob", "")
    with pytest.raises(RefusedError, match="is not pinned"):
        await refs.unpin("amber", "bob", "")
    assert [row[0] for row in await database.rows("SELECT count(*) FROM ref_moves")] == [2]
