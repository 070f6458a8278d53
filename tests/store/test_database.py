"""One SQLite file: migrated step by step, refused rather than altered, and written all or nothing."""

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from clavel_tui.store import Database, Migration, StoreError

ONE = Migration(1, ("CREATE TABLE things (n INTEGER)",))
TWO = Migration(2, ("ALTER TABLE things ADD COLUMN note TEXT", "CREATE TABLE more (n INTEGER)"))
BROKEN = Migration(2, (TWO.statements[0], "INSERT INTO things (n) VALUES (7)", "CREATE TABLE things (n INTEGER)"))
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data/journal.db"


async def made(file: Path, *migrations: Migration) -> None:
    """A database of those migrations with one row, closed."""
    database = await Database.open(file, migrations)
    async with database.transaction() as write:
        await write.execute("INSERT INTO things (n) VALUES (1)")
    await database.close()


async def insert(database: Database, *values: str | None) -> None:
    """All of them in one transaction; None is an error of the caller."""
    async with database.transaction() as write:
        for value in values:
            await write.execute("INSERT INTO things (n) VALUES (" + value + ")")  # type: ignore[operator]


def look(file: Path, sql: str) -> list[tuple[object, ...]]:
    """With the plain library, past our own code."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def prints(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir() if not f.name.endswith("-shm")}


async def refused(file: Path, *migrations: Migration) -> StoreError:
    """Opening fails, and not a byte of the file is another one."""
    before = prints(file.parent)
    with pytest.raises(StoreError) as caught:
        await Database.open(file, migrations or (ONE,))
    assert {name: print_ for name, print_ in prints(file.parent).items() if name in before} == before
    assert caught.value.hint
    return caught.value


async def test_a_new_file_in_a_new_folder(file: Path) -> None:
    await made(file, ONE, TWO)
    assert look(file, "PRAGMA user_version") == [(2,)]
    assert look(file, "PRAGMA application_id") == [(0x434C5654,)]
    assert look(file, "PRAGMA journal_mode") == [("wal",)]


async def test_a_folder_that_it_makes_is_nobody_elses(file: Path) -> None:
    await made(file, ONE)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.parent.chmod(0o755)
    await made(file, ONE)
    assert file.parent.stat().st_mode & 0o777 == 0o755  # one that is there is its owner's affair


async def test_only_what_is_missing_is_migrated(file: Path) -> None:
    await made(file, ONE)
    database = await Database.open(file, (ONE, TWO))
    assert await database.rows("SELECT n, note FROM things") == [(1, None)]
    assert await database.value("PRAGMA synchronous") == 2
    await database.close()
    again = await Database.open(file, (ONE, TWO))
    assert await again.value("PRAGMA user_version") == 2
    await again.close()


async def test_a_failing_statement_leaves_the_file_as_it_was(file: Path) -> None:
    await made(file, ONE)
    error = await refused(file, ONE, BROKEN)
    assert "table things already exists" in error.text
    assert look(file, "PRAGMA user_version") == [(1,)]
    assert look(file, "SELECT name FROM pragma_table_info('things')") == [("n",)]
    assert look(file, "SELECT n FROM things") == [(1,)]
    await made(file, ONE, TWO)


async def test_two_that_migrate_at_once(file: Path) -> None:
    await made(file, ONE)
    both = await asyncio.gather(*(Database.open(file, (ONE, TWO)) for _ in range(2)))
    for database in both:
        assert await database.value("PRAGMA user_version") == 2
        await database.close()


async def test_another_one_is_just_making_the_file(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, other.close).start()
    database = await Database.open(file, (ONE,))
    assert await database.rows("PRAGMA journal_mode") == [("wal",)]
    await database.close()


async def test_a_newer_file(file: Path) -> None:
    await made(file, ONE, TWO)
    error = await refused(file, ONE)
    assert "was written by a newer clavel-tui (its version is 2, ours 1); it was left as it is" in error.text


NEWER_IN_THE_LOG = """\
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.execute("PRAGMA user_version=9")
os._exit(1)
"""


async def test_a_newer_file_whose_last_words_are_still_in_its_log(file: Path) -> None:
    """As a newer clavel-tui leaves it that was killed right after its migration."""
    await made(file, ONE)
    subprocess.run([sys.executable, "-c", NEWER_IN_THE_LOG, str(file)], check=False)
    assert int.from_bytes(file.read_bytes()[60:64], "big") == 1
    error = await refused(file, ONE)
    assert "its version is 9, ours 1" in error.text
    assert look(file, "PRAGMA user_version") == [(9,)]


def break_pages(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[4096:8192] = b"\xa5" * 4096
    file.write_bytes(raw)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def no_database(file: Path) -> None:
    file.write_text("these are my notes\n" * 40)


@pytest.mark.parametrize(
    ("damage", "said"),
    [(break_pages, "is corrupt ("), (cut_short, "is corrupt ("), (no_database, "is not a database of ours, or is corrupt;")],
)
async def test_a_corrupt_file(file: Path, damage: Callable[[Path], None], said: str) -> None:
    await made(file, ONE, TWO)
    damage(file)
    error = await refused(file, ONE, TWO)
    assert said in error.text
    assert "it was left as it is" in error.text


async def test_the_file_of_another_program(file: Path) -> None:
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.executescript("PRAGMA application_id=252006674; CREATE TABLE layers (n)")
    connection.close()
    error = await refused(file)
    assert error.text == f"{file} belongs to another program; it was left as it is"


async def test_the_file_of_another_program_that_has_no_mark(file: Path) -> None:
    """Many programs set none: a file with tables that we did not make is not ours either."""
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')")
    connection.close()
    error = await refused(file)
    assert error.text == f"{file} belongs to another program; it was left as it is"


async def test_an_empty_file_is_a_new_one(file: Path) -> None:
    file.parent.mkdir()
    file.touch()
    await made(file, ONE)


async def test_a_folder(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot be read: Is a directory"):
        await Database.open(file, (ONE,))


async def test_a_transaction_is_all_or_nothing(file: Path) -> None:
    await made(file, ONE)
    database = await Database.open(file, (ONE,))
    with pytest.raises(TypeError):
        await insert(database, "2", None)
    with pytest.raises(StoreError):
        await insert(database, "3", "nonsense")
    await insert(database, "4")
    assert await database.rows("SELECT n FROM things") == [(1,), (4,)]
    await database.close()


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(file: Path) -> None:
    await made(file, ONE)
    database = await Database.open(file, (ONE,))

    async def stuck() -> None:
        async with database.transaction() as write:
            await write.execute("INSERT INTO things (n) VALUES (2)")
            await asyncio.sleep(60)

    task = asyncio.create_task(stuck())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction() as write:
        await write.execute("INSERT INTO things (n) VALUES (3)")
    assert look(file, "SELECT n FROM things") == [(1,), (3,)]
    await database.close()


async def test_a_full_database_is_told_as_such(file: Path) -> None:
    """SQLite ends the transaction itself then: what is told must be the cause, and not that there is nothing to end."""
    await made(file, ONE)
    database = await Database.open(file, (ONE,))
    await database._connection.execute("PRAGMA max_page_count=3")
    with pytest.raises(StoreError) as caught:
        await insert(database, "2", "zeroblob(100000)")
    assert caught.value.text == "the journal cannot be written: database or disk is full"
    assert caught.value.hint == "make room on this machine's disk"
    async with database.transaction() as write:
        await write.execute("INSERT INTO things (n) VALUES (3)")
    assert await database.rows("SELECT n FROM things") == [(1,), (3,)]
    await database.close()


AS_ANOTHER_USER = """\
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
import aiosqlite
from clavel_tui.store import Database, Migration, StoreError
async def main():
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    try:
        database = await Database.open(Path(sys.argv[1]), (Migration(1, ("CREATE TABLE things (n INTEGER)",)),))
        await database.close()
        print("opened")
    except StoreError as error:
        print(error.text, error.hint, sep=": ")
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("nothing", "cannot be opened: [Errno 13] Permission denied: "),
        ("database", "cannot be opened: attempt to write a readonly database: make room or rights there"),
        ("closed", "cannot be read: Permission denied: name another file with --db"),
    ],
)
async def test_a_read_only_home(there: str, said: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        file = home / "data/journal.db"
        if there != "nothing":
            await made(file, ONE)
            file.chmod(0o444 if there == "database" else 0)
            file.parent.chmod(0o555)
        home.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER, str(file)], capture_output=True, text=True, cwd=REPOSITORY, env={**os.environ}
        )
        for folder in (home, file.parent):
            if folder.exists():
                folder.chmod(0o755)
    assert done.stderr == ""
    assert said in done.stdout
    assert "corrupt" not in done.stdout


@pytest.mark.parametrize("turns", range(1, 12))
async def test_closed_also_where_it_is_cancelled_meanwhile(file: Path, turns: int) -> None:
    """A thread that goes on would keep the process: the console would hang behind `q`."""
    database = await Database.open(file, (ONE,))
    closing = asyncio.create_task(database.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await until_no_thread()


async def test_cancelled_while_it_is_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("clavel_tui.store.database.migrate", cancelled)
    opening = asyncio.create_task(Database.open(file, (ONE,)))
    await asyncio.gather(opening, return_exceptions=True)
    await until_no_thread()


async def until_no_thread() -> None:
    """None of the connections has one left, within ten seconds."""
    async with asyncio.timeout(10):
        while any("_connection_worker" in thread.name for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
