"""A database that cannot be written is read from a copy in memory."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from clavel_tui.store import Database, Migration, StoreError
from clavel_tui.store.copy import copied, is_writable

ONE = Migration(1, ("CREATE TABLE things (n INTEGER)",))
TWO = Migration(2, ("ALTER TABLE things ADD COLUMN note TEXT",))


async def filled(file: Path, *values: int) -> Database:
    """Still open, so that its rows stand in the write-ahead log only."""
    database = await Database.open(file, [ONE])
    async with database.transaction() as write:
        for value in values:
            await write.execute("INSERT INTO things VALUES (?)", (value,))
    return database


def prints(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_a_copy_has_what_stands_in_the_log_only_and_touches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    database = await filled(file, 7, 8)
    bare = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)
    with pytest.raises(sqlite3.OperationalError):
        bare.execute("SELECT * FROM things")
    bare.close()
    before = prints(tmp_path)
    copy = Database(await copied(file, [ONE, TWO]))
    assert await copy.rows("SELECT n, note FROM things") == [(7, None), (8, None)]
    async with copy.transaction() as write:
        await write.execute("DELETE FROM things")
    assert prints(tmp_path) == before
    assert await database.rows("SELECT n FROM things") == [(7,), (8,)]


async def test_where_there_is_no_file_the_copy_is_empty(tmp_path: Path) -> None:
    copy = Database(await copied(tmp_path / "none/journal.db", [ONE]))
    assert await copy.rows("SELECT * FROM things") == []
    assert not (tmp_path / "none").exists()


async def test_what_is_refused_is_refused_as_a_copy_too_by_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError) as caught:
        await copied(file, [ONE])
    assert str(file) in caught.value.text
    file.unlink()
    await (await Database.open(file, [ONE, TWO])).close()
    with pytest.raises(StoreError) as caught:
        await copied(file, [ONE])
    assert f"{file} was written by a newer" in caught.value.text


async def test_a_file_that_another_process_writes_all_the_time_is_never_torn(tmp_path: Path) -> None:
    """Every copy is whole, and holds whole transactions: each has ten rows."""
    file = tmp_path / "journal.db"
    await (await Database.open(file, [ONE])).close()
    text = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for n in range(100000):\n"
        "    c.execute('BEGIN IMMEDIATE'); c.executemany('INSERT INTO things VALUES (?)', [(n,)] * 10); c.execute('COMMIT')\n"
        "    c.execute('PRAGMA wal_checkpoint') if n % 7 == 0 else None\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", text, str(file)])
    try:
        counts = []
        for _ in range(20):
            copy = Database(await copied(file, [ONE]))
            counts.append(await copy.value("SELECT count(*) FROM things"))
            await copy.close()
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    assert {count % 10 for count in counts} == {0}
    assert counts[-1] > counts[0]


def test_writable_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says, for the file, its folder and its log. Root may write whatever has bits: hence the fake."""
    file = tmp_path / "journal.db"
    file.touch()
    tmp_path.joinpath("journal.db-wal").touch()
    assert is_writable(file)
    assert is_writable(tmp_path / "none/journal.db")
    for locked in (file, tmp_path, tmp_path / "journal.db-wal"):
        monkeypatch.setattr("os.access", lambda path, _mode, locked=locked: path != locked)
        assert not is_writable(file)
