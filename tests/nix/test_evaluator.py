"""The order of evaluators, and what is believed of their lines; the answers are as real ones write them (tests/lab/test_evaluate.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from clavel_tui.domain.source import Fault, Lock
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.nix import Evaluator, NixError
from clavel_tui.remote.effects import OnLine, Query, Result
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import Target

LOCK = Lock(url="git+file:///r?rev=1", nar_hash="sha256-1", revision="1", nix="2.8.0")
PATH = "/nix/store/" + "a" * 32 + "-system"
Process = tuple[int, Sequence[str]] | RemoteError


def lists(*names: str, nar_hash: str = "sha256-1") -> str:
    attributes = [f"nixosConfigurations.{name}" for name in names]
    return (
        f"trace: clavel-tui lists {json.dumps({'narHash': nar_hash, 'attributes': attributes, 'substituters': [], 'keys': []})}"
    )


def begins(name: str) -> str:
    return f"trace: clavel-tui begins nixosConfigurations.{name}"


def found(name: str) -> str:
    said = {"attribute": f"nixosConfigurations.{name}", "unit": name, "narId": PATH, "drvPath": "", "system": ""}
    return f"trace: clavel-tui found {json.dumps(said)}"


class Scripted:
    """A runner whose evaluators say what was written down; it fails on one too many, and ``asked`` has what each was asked for."""

    def __init__(self, *processes: Process) -> None:
        self.processes = list(processes)
        self.asked: list[list[str]] = []

    async def query(self, _target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        request = query.args[-1].rpartition(') "')[2][:-1].replace('\\"', '"')
        sets = json.loads(request)["sets"]
        self.asked.append(sorted(sets.get("nixosConfigurations", [])))
        process = self.processes.pop(0)
        if isinstance(process, RemoteError):
            raise process
        code, lines = process
        for text in lines:
            assert on_line
            on_line(text)
        return Result(code, "", "")


def units(*names: str) -> list[Unit]:
    return [Unit(name=name, type=UnitType.NIXOS, arch="x86_64-linux", address="x") for name in names]


async def extracted(scripted: Scripted, *names: str) -> dict[str, Fault | None]:
    told = await Evaluator(scripted, "nix", 1000).extract(LOCK, units(*names))  # type: ignore[arg-type]
    assert scripted.processes == []
    return {one.unit: one.fault for one in told.attributes.values()}


async def test_one_process_for_all_that_is_well() -> None:
    scripted = Scripted((0, [lists("a", "b", "other"), begins("a"), found("a"), begins("b"), found("b")]))
    assert await extracted(scripted, "a", "b", "none") == {"a": None, "b": None}
    assert scripted.asked == [["a", "b", "none"]]


async def test_the_next_process_goes_on_behind_what_broke() -> None:
    scripted = Scripted(
        (1, [lists("a", "b", "c"), begins("a"), found("a"), begins("b"), "error: bad b"]),
        (0, [lists("a", "b", "c"), begins("c"), found("c")]),
    )
    assert await extracted(scripted, "a", "b", "c") == {"a": None, "b": Fault.EVALUATION, "c": None}
    assert scripted.asked == [["a", "b", "c"], ["c"]]


async def test_what_ran_out_of_memory_behind_others_is_tried_alone() -> None:
    scripted = Scripted(
        (1, [lists("a", "b", "c"), begins("a"), found("a"), begins("b"), "error: out of memory"]),
        (0, [lists("a", "b", "c"), begins("b"), found("b")]),
        (0, [lists("a", "b", "c"), begins("c"), found("c")]),
    )
    assert await extracted(scripted, "a", "b", "c") == {"a": None, "b": None, "c": None}
    assert scripted.asked == [["a", "b", "c"], ["b"], ["c"]]


async def test_what_runs_out_of_memory_alone_has_failed() -> None:
    scripted = Scripted(
        (1, [lists("a", "b"), begins("a"), found("a"), begins("b"), "error: out of memory"]),
        (1, [lists("a", "b"), begins("b"), "error: out of memory"]),
    )
    assert await extracted(scripted, "a", "b") == {"a": None, "b": Fault.MEMORY}


async def test_an_endless_loop_is_ended_and_told() -> None:
    scripted = Scripted(RemoteError("timeout", "too long"))
    with pytest.raises(NixError, match="took longer than"):
        await extracted(scripted, "a")


async def test_a_name_that_nobody_asked_for_neither_counts_nor_loops() -> None:
    scripted = Scripted(
        (1, [lists("a"), begins("a"), "trace: clavel-tui begins x.y", "trace: clavel-tui found {}", "error: bad"])
    )
    assert await extracted(scripted, "a") == {"a": Fault.EVALUATION}


async def test_lines_that_are_none_of_ours_are_no_crash() -> None:
    odd = ["trace: clavel-tui lists {", "trace: clavel-tui found [1]", "trace: clavel-tui", "trace: clavel-tui found null"]
    scripted = Scripted((0, [*odd, lists("a"), begins("a"), *odd[1:], found("a")]))
    assert await extracted(scripted, "a") == {"a": None}


async def test_a_source_that_changes_between_two_evaluators_is_told() -> None:
    scripted = Scripted(
        (1, [lists("a", "b"), begins("a"), "error: bad a"]),
        (0, [lists("a", "b", nar_hash="sha256-2"), begins("b"), found("b")]),
    )
    with pytest.raises(NixError, match="changed while it was evaluated"):
        await extracted(scripted, "a", "b")


async def test_an_evaluator_that_says_nothing_is_no_success() -> None:
    with pytest.raises(NixError, match="said nothing"):
        await extracted(Scripted((0, [])), "a")


class Answering:
    """Answers `nix flake metadata`."""

    def __init__(self, err: str, code: int = 0) -> None:
        self.err, self.code = err, code
        self.args: tuple[str, ...] = ()

    async def query(self, _target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        self.args = query.args
        return Result(self.code, "", self.err)


async def lock(answering: Answering, url: str = "/r") -> Lock:
    return await Evaluator(answering, "nix").lock(url)  # type: ignore[arg-type]


async def test_a_lock_of_a_dirty_tree() -> None:
    said = {"url": "git+file:///r", "locked": {"type": "git", "narHash": "sha256-1"}, "dirtyRevision": "1-dirty"}
    found = await lock(Answering(f"2.26.3\n{json.dumps(said)}"))
    assert (found.dirty, found.revision, found.nix, found.pinned) == (True, "1-dirty", "2.26.3", False)


@pytest.mark.parametrize("answer", ["2.8.0\nnot json", "2.8.0\n{}", '2.8.0\n{"url": "x", "locked": {"type": "git"}}'])
async def test_an_answer_that_is_not_understood_is_a_sentence(answer: str) -> None:
    with pytest.raises(NixError, match="not understood"):
        await lock(Answering(answer))


@pytest.mark.parametrize(
    ("url", "words"),
    [("/r", ()), ("path:/r", ()), ("git+file:///r", ()), ("github:a/b", ("--refresh",)), ("nixpkgs", ("--refresh",))],
)
async def test_a_name_elsewhere_is_asked_for_as_it_is_now(url: str, words: tuple[str, ...]) -> None:
    said = {"url": url, "locked": {"type": "path", "narHash": "sha256-1"}}
    answering = Answering(f"2.8.0\n{json.dumps(said)}")
    await lock(answering, url)
    assert answering.args[2:] == words
