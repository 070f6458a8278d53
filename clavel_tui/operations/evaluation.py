"""An evaluation as an Operation: the same life, journal and history as an update, but no unit is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from clavel_tui.domain.deployment import full_name
from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.source import Evaluation, Source
from clavel_tui.domain.text import clean
from clavel_tui.history import JournalError
from clavel_tui.history.deployments import Deployments
from clavel_tui.nix import NixError
from clavel_tui.operations.evaluate import Evaluating
from clavel_tui.operations.parts import Parts
from clavel_tui.remote.errors import RemoteError

FLUSH_S = 0.25


class EvaluationRun:
    """One evaluation, from the journal's first row to its last."""

    def __init__(self, parts: Parts, evaluating: Evaluating, deployments: Deployments, operation: Operation) -> None:
        self._parts = parts
        self._evaluating = evaluating
        self._deployments = deployments
        self.operation = operation
        self._notes: list[tuple[str, str]] = []
        self._begun = 0

    async def run(self, find: Callable[[], Awaitable[Source]]) -> None:
        """Ends in the journal, also when it is cancelled: then nothing was recorded.

        The Source is found when the operation stands in the journal: whoever joins it counts on what was told of it before.
        """
        flusher = asyncio.create_task(self._keep_flushing())
        try:
            evaluation = await self._evaluating.evaluate(await find(), self._progress)
            await self._record(evaluation)
        except (NixError, ClavelError) as error:
            await self._end(Outcome.FAILED, f"{error.text}; {error.hint}" if error.hint else error.text)
        except (RemoteError, OSError, ValueError, LookupError) as error:
            await self._end(Outcome.FAILED, clean(f"it could not be evaluated: {error!r}"))
        except asyncio.CancelledError:
            await asyncio.shield(self._end(Outcome.CANCELLED, "it was stopped; nothing was recorded"))
            raise
        except JournalError:
            raise
        except Exception as error:  # a fault of ours: it ends where it is looked for, and is not hidden
            await self._end(Outcome.FAILED, clean(f"it could not be evaluated: {error!r}"))
            raise
        finally:
            flusher.cancel()
            self._deployments.ends(self.operation.request.stack)

    async def _record(self, evaluation: Evaluation) -> None:
        deployments = self._evaluating.deployments(evaluation)
        why = f"evaluated {evaluation.source.name}"
        before = await self._deployments.heads()
        await self._deployments.record(evaluation, deployments, self.operation.origin.operator, why)
        after = await self._deployments.heads()  # a ref that is pinned has not moved
        moved = [d for d in deployments if d.name in after and after[d.name].id == d.id]
        changed = [d for d in moved if d.name not in before or before[d.name].nar_id != d.nar_id]
        self._notes += [("warn", text) for text in evaluation.warnings]
        self._notes += [("warn", f"{one.name}: {one.text}") for one in evaluation.failed]
        self._notes += [("state", f"{one.name} should now run {full_name(one.name, one.id)}") for one in changed]
        await self._end(_outcome(evaluation, len(changed)), sentence(evaluation, len(changed)))

    def _progress(self, attribute: str, what: str) -> None:
        if what == "begins":
            self._begun += 1
            self._notes.append(("step", attribute))

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._notes:
                await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        notes, self._notes = self._notes, []
        if steps := [text for kind, text in notes if kind == "step"]:
            self.operation = self.operation.model_copy(update={"step": f"{steps[-1]}, number {self._begun}"})
        await self._parts.journal.record([(kind, self.operation.id, "", text) for kind, text in notes], self.operation)

    async def _end(self, outcome: Outcome, text: str) -> None:
        await self._flush()
        self.operation = self.operation.ended_with(outcome, text, self._parts.clock.wall())
        await self._parts.journal.settle(self.operation)


def find_source(sources: Sequence[Source], said: str) -> Source:
    """By its name; the only one where none is said; else any flake reference.

    Raises:
        RefusedError: nothing was said, and there is none or more than one.
    """
    if not said and len(sources) == 1:
        return sources[0]
    if not said:
        names = ", ".join(source.name for source in sources)
        hint = "write [sources.<name>] with its url into fleet.toml, or say a flake reference"
        raise RefusedError(f"say which source: {names}" if names else "this fleet has no source", hint if not names else "")
    return next((source for source in sources if source.name == said), Source(name=said, url=said))


def sentence(evaluation: Evaluation, changed: int) -> str:
    """What came of it."""
    good, failed = len(evaluation.attributes) - len(evaluation.failed), len(evaluation.failed)
    lock = evaluation.lock
    at = f" at {lock.revision[:12]}" if lock.revision else ""
    words = [f"{good} Deployment{'s' * (good != 1)}{at}{' (dirty)' if lock.dirty else ''}, {changed} changed"]
    words += [f"{failed} failed: {', '.join(one.unit for one in evaluation.failed[:4])}{' …' * (failed > 4)}"] if failed else []  # noqa: PLR2004
    words += [f"{len(evaluation.others)} other attribute{'s' * (len(evaluation.others) != 1)}"] if evaluation.others else []
    return "; ".join(words)


def _outcome(evaluation: Evaluation, changed: int) -> Outcome:
    if evaluation.failed:
        return Outcome.FAILED if len(evaluation.failed) == len(evaluation.attributes) else Outcome.UNITS_FAILED
    return Outcome.SUCCEEDED if changed else Outcome.NO_CHANGE
