"""What an agent keeps on its disk: reports that were not taken, and what it was told."""

from __future__ import annotations

import threading
from pathlib import Path

from clavel_tui.agent import memory
from clavel_tui.agent.outbox import KEPT, Outbox
from tests.history.test_agents import report


def test_reports_go_out_in_the_order_that_they_came_also_after_a_restart(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box")
    for number in (1, 2):
        box.put(report(number))
    (tmp_path / "box/000000000009.new").write_text("torn by a power cut")
    again = Outbox(tmp_path / "box")
    again.sweep()
    assert not (tmp_path / "box/000000000009.new").exists()
    again.put(report(3))
    sent = []
    while found := again.oldest():
        sent.append(found[1].event)
        found[0].unlink()
    assert sent == [f"{number:032x}" for number in (1, 2, 3)]


def test_one_that_is_not_understood_holds_up_no_other(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.put(report(1))
    next(tmp_path.glob("*.json")).write_text("{}")
    box.put(report(2))
    found = box.oldest()
    assert found
    assert found[1] == report(2)


def test_it_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    for number in range(KEPT + 3):
        box.put(report(number))
    assert len(box) == KEPT
    found = box.oldest()
    assert found
    assert found[1] == report(3)


def test_two_who_remember_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"

    def add(name: str) -> None:
        for number in range(30):
            memory.change(file, lambda m, n=number: m.model_copy(update={"heard": {**m.heard, f"{name}{n}": n}}))  # type: ignore[misc]

    threads = [threading.Thread(target=add, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.load(file).heard) == 90


def test_a_torn_file_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"held": "x')
    assert memory.load(tmp_path / "memory.json") == memory.Memory()
