"""The journal: intent before effect, append-only, and shared by several consoles."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clavel_tui.domain import limits
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Operation, Origin, Outcome, Request, State, Verb
from clavel_tui.history import MIGRATIONS, Journal, JournalError
from clavel_tui.store import Database

REPOSITORY = Path(__file__).parents[2]


def operation(ident: str = "op1", **more: object) -> Operation:
    request = Request(unit="pi", stack="web", verb=Verb.UPDATE)
    said = {"id": ident, "request": request, "origin": Origin(operator="ann"), "state": State.RUNNING, "started": 100.0}
    return Operation.model_validate({**said, **more})


def settled(one: Operation, outcome: Outcome = Outcome.SUCCEEDED) -> Operation:
    return one.model_copy(update={"state": State.SETTLED, "outcome": outcome, "ended": 200.0, "text": "done"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    database = await Database.open(file, MIGRATIONS)
    yield database
    await database.close()


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database, "here:1:1", lambda: 1000.0)


async def test_the_life_of_an_operation(journal: Journal) -> None:
    one = operation()
    await journal.begin(one)
    assert await journal.open_operations() == [(one, "here:1:1", 0)]
    further = one.model_copy(update={"step": "pull"})
    await journal.record([("step", "op1", "pi", "pull"), ("out", "op1", "pi", "\x1b[31mred")], further, log_offset=77)
    assert await journal.open_operations() == [(further, "here:1:1", 77)]
    assert await journal.settle(settled(further))
    assert await journal.open_operations() == []
    assert await journal.operation("op1") == settled(further)
    events = await journal.events()
    assert [(e.seq, e.kind, e.text) for e in events] == [
        (1, "begun", "update web on pi by ann"),
        (2, "step", "pull"),
        (3, "out", "red"),
        (4, "settled", "succeeded: done"),
    ]
    assert await journal.last_seq() == 4
    assert [e.seq for e in await journal.events(after=2)] == [3, 4]


async def test_two_of_one_id_are_refused_whole(journal: Journal) -> None:
    await journal.begin(operation())
    with pytest.raises(JournalError):
        await journal.begin(operation())
    assert await journal.last_seq() == 1


async def test_a_settled_operation_does_not_change(journal: Journal) -> None:
    await journal.begin(operation())
    assert await journal.settle(settled(operation()))
    assert not await journal.settle(settled(operation(), Outcome.FAILED))
    assert not await journal.adopt("op1", "here:1:1")
    with pytest.raises(JournalError, match="a settled operation does not change"):
        await journal.record([("say", "op1", "pi", "late")], operation())
    found = await journal.operation("op1")
    assert found
    assert found.outcome is Outcome.SUCCEEDED
    assert [e.kind for e in await journal.events()] == ["begun", "settled"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET text='another' WHERE seq=1", "events are append-only"),
        ("UPDATE operations SET outcome='failed' WHERE id='op1'", "a settled operation does not change"),
        ("UPDATE operations SET state='running'", "a settled operation does not change"),
    ],
)
async def test_not_even_past_our_own_code(journal: Journal, file: Path, statement: str, said: str) -> None:
    await journal.begin(operation())
    await journal.settle(settled(operation()))
    connection = sqlite3.connect(file)
    with pytest.raises(sqlite3.IntegrityError, match=said):
        connection.execute(statement)
    connection.close()


async def test_only_one_console_adopts_what_a_dead_one_left(file: Path, journal: Journal) -> None:
    await journal.begin(operation())
    others = [await Database.open(file, MIGRATIONS) for _ in range(3)]
    consoles = [Journal(database, f"console:{n}") for n, database in enumerate(others)]
    won = await asyncio.gather(*(console.adopt("op1", "here:1:1") for console in consoles))
    assert sorted(won) == [False, False, True]
    assert (await journal.open_operations())[0][1] == f"console:{won.index(True)}"
    ended = await asyncio.gather(*(console.settle(settled(operation())) for console in consoles))
    assert sorted(ended) == [False, False, True]
    assert [e.kind for e in await journal.events()] == ["begun", "settled"]


async def test_an_operation_by_the_beginning_of_its_id(journal: Journal) -> None:
    for ident in ("abc1", "abd2", "%"):
        await journal.begin(operation(ident))
    assert (await journal.operation("abd")) == operation("abd2")
    assert await journal.operation("ab") is None
    assert await journal.operation("_bd") is None
    assert await journal.operation("%") == operation("%")


async def test_history_is_newest_first(journal: Journal) -> None:
    for n, unit in enumerate(("pi", "x", "pi")):
        await journal.begin(operation(f"op{n}", started=float(n), request=Request(unit=unit, stack="web", verb=Verb.STOP)))
    assert [o.id for o in await journal.operations()] == ["op2", "op1", "op0"]
    assert [o.id for o in await journal.operations(1, "pi")] == ["op2"]


async def test_what_was_last_known_of_a_unit(journal: Journal, database: Database) -> None:
    seen = Facts(unit="pi", at=5.0, docker="28.0")
    await journal.save_facts("pi", seen, "")
    await journal.save_facts("pi", None, "it is off")
    await journal.save_facts("never", None, "it is off")
    async with database.transaction() as write:
        await write.execute("INSERT INTO facts VALUES ('older', 1.0, '', '{\"no\": \"longer fits\"}')")
    assert await journal.facts() == {"pi": (seen, "it is off"), "never": (None, "it is off"), "older": (None, "")}
    await journal.save_facts("pi", seen, "")
    assert (await journal.facts())["pi"] == (seen, "")


async def test_tidy_keeps_what_is_open_and_what_is_new(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENTS_KEPT", 3)
    journal = Journal(journal._db, "r", lambda: 500 * 86400.0)
    await journal.begin(operation("old"))
    await journal.settle(settled(operation("old")))
    await journal.begin(operation("open"))
    await journal.begin(operation("new", started=499 * 86400.0))
    await journal.settle(settled(operation("new", started=499 * 86400.0)))
    assert await journal.tidy() == 2
    assert {o.id for o in await journal.operations()} == {"open", "new"}
    assert [e.seq for e in await journal.events()] == [3, 4, 5]
    await journal.record([("say", "", "", "numbers go on")])
    assert await journal.last_seq() == 6


WRITER = """\
import asyncio, sys
from pathlib import Path
from clavel_tui.domain.operation import Operation, Origin, Outcome, Request, State, Verb
from clavel_tui.history import MIGRATIONS, Journal, JournalError
from clavel_tui.store import Database

async def main(file, name, many):
    database = await Database.open(Path(file), MIGRATIONS)
    journal = Journal(database, name)
    print("adopted", await journal.adopt("shared", "dead"), flush=True)
    for n in range(many):
        one = Operation(id=f"{name}-{n}", request=Request(unit="pi", stack="web", verb=Verb.UPDATE),
                        origin=Origin(operator=name), state=State.RUNNING)
        try:
            await journal.begin(one)
            await journal.record([("say", one.id, "pi", "x" * 500)] * 3)
            await journal.settle(one.model_copy(update={"state": State.SETTLED, "outcome": Outcome.SUCCEEDED}))
        except JournalError as error:
            print("refused", n, error.text, "|", error.hint, flush=True)
            break
    await database.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def test_processes_that_write_at_once_lose_nothing(file: Path, journal: Journal) -> None:
    await journal.begin(operation("shared"))
    await Journal(journal._db, "dead").adopt("shared", "here:1:1")
    consoles = [
        subprocess.Popen([sys.executable, "-c", WRITER, file, name, "40"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for name in ("ann", "bob")
    ]
    said = [console.communicate(timeout=60)[0].splitlines() for console in consoles]
    assert sorted(said) == [["adopted False"], ["adopted True"]]
    events = await journal.events(limit=10_000)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert len(events) == 1 + 2 * 40 * 5
    for name in ("ann", "bob"):
        mine = [(e.operation, e.kind) for e in events if e.operation.startswith(name)]
        assert mine == [(f"{name}-{n}", kind) for n in range(40) for kind in ("begun", "say", "say", "say", "settled")]


SMALL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"


async def test_a_disk_that_is_full_leaves_nothing_half_written(file: Path, journal: Journal) -> None:
    await journal.begin(operation("before"))
    done = subprocess.run(
        [sys.executable, "-c", SMALL + WRITER, file, "full", "500"], capture_output=True, text=True, cwd=REPOSITORY, timeout=60
    )
    assert done.stderr == ""
    _, refused = done.stdout.splitlines()
    assert refused.startswith("refused ")
    assert "the journal cannot be written: " in refused
    assert refused.endswith("| make room on this machine's disk")
    whole = int(refused.split()[1])
    assert whole > 3
    kinds: dict[str, list[str]] = {}
    for event in await journal.events(limit=10_000):
        kinds.setdefault(event.operation, []).append(event.kind)
    assert kinds.pop("before") == ["begun"]
    for n in range(whole):
        assert kinds.pop(f"full-{n}") == ["begun", "say", "say", "say", "settled"]
    last = await journal.operation(f"full-{whole}")
    assert list(kinds) == ([last.id] if last else [])
    assert kinds.get(f"full-{whole}") in (None, ["begun"], ["begun", "say", "say", "say"])
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    await journal.begin(operation("after"))
