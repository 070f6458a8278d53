"""Plans: what would happen on the unit, to the exact command. Asks the unit, and changes nothing."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from clavel_tui.compose import ask, preview
from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Plan, Request, Verb
from clavel_tui.domain.release import Release
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Stack, Unit
from clavel_tui.fleet.state import AWAY, UnitState
from clavel_tui.inventory import files_sum, stack_files
from clavel_tui.operations.fit import looked, unread
from clavel_tui.operations.machine import VERBS as MACHINE_VERBS
from clavel_tui.operations.machine import MachinePlanner
from clavel_tui.operations.parts import Parts, unit_error
from clavel_tui.operations.pull_plan import PullPlanner
from clavel_tui.operations.system_planner import SystemPlanner
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import Target

UP = "docker compose up -d --no-build --pull never --remove-orphans"
VOLUMES = "volumes and databases are not rolled back: a pre_update hook can dump them first"


def when_back(request: Request, state: UnitState) -> Request | None:
    """The request that would wait: to the Deployment that is meant now, not to whatever is meant then."""
    if request.verb is not Verb.DEPLOY or request.stack or request.release.isdecimal():
        return None
    release = request.release
    if release in {"", request.unit}:
        release = state.head.short if state.head else ""
    # What it ran is compared at its return: of a unit that was never seen nothing is known.
    known = state.facts is not None and state.facts.current
    return request.model_copy(update={"release": release}) if release and known and state.away else None


class Planner:
    """Makes a Plan of a Request."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._systems = SystemPlanner(parts, watch)
        self._machines = MachinePlanner(parts, watch)
        self._pull = PullPlanner(parts, watch)

    async def plan(self, request: Request) -> Plan:
        """The plan; one that cannot be carried out has its ``refusal``, with what is known all the same."""
        where = f"{request.stack}{f' ({request.service})' if request.service else ''} on {request.unit}"
        title = f"{request.verb.value} {where if request.stack else request.unit}"
        if unit := self._parts.fleet.unit(request.unit):
            self._parts.runner.wanted(self._parts.target(unit))
        try:
            return await self._plan(request, title)
        except RemoteError as error:
            return self._refused(request, title, unit_error(error), away=error.kind in AWAY)
        except ClavelError as error:
            return self._refused(request, title, error)

    def _refused(self, request: Request, title: str, error: ClavelError, *, away: bool = False) -> Plan:
        """``away``: it was lost while it was asked."""
        unit = self._parts.fleet.unit(request.unit)
        state = self._watch.state(unit) if unit else None
        if state and away:
            state = state.model_copy(update={"kind": "lost"})
        waits = when_back(request, state) if state else None
        return Plan(request=request, title=title, refusal=_sentence(error), when_back=waits)

    async def _plan(self, request: Request, title: str) -> Plan:
        unit = self._parts.fleet.unit(request.unit)
        if unit is None:
            raise RefusedError(f"there is no unit {request.unit} in this fleet")
        if request.verb in MACHINE_VERBS:
            return await self._machines.plan(request, unit, title)
        if not request.stack:
            if pull := await self._pull.plan(request, unit, title):
                return pull
            return await self._systems.plan(request, unit, title)
        facts = await self._facts(unit)
        view = self._watch.state(unit).stack(request.stack)
        if view is None:
            known = ", ".join(s.name for s in self._watch.state(unit).stacks) or "none"
            raise RefusedError(f"there is no stack {request.stack} on {unit.name}; its stacks are: {known}")
        stack = view.declared or Stack(name=view.name, path=view.path)
        _refuse_busy(facts)
        target = self._parts.target(unit)
        seen = await ask.inspect(self._parts.runner, target, stack)
        plan = Plan(request=request, title=title, fingerprint=seen.fingerprint, born=facts.born)
        match request.verb:
            case Verb.UPDATE:
                return await self._update(plan, stack, view, target, seen)
            case Verb.ROLLBACK | Verb.HOLD | Verb.FORGET:
                return await self._to_release(plan, stack, view, target, seen)
            case _:
                return _simple(plan, stack, view)

    async def _facts(self, unit: Unit) -> Facts:
        """Fresh: a plan on stale facts would be refused under the lock anyway."""
        facts = await looked(self._watch, unit)
        if facts.docker == "missing":
            raise RefusedError(f"Docker is not installed on {unit.name}", "install docker and its compose plug-in there")
        if "docker" in facts.silent or facts.docker == "silent":
            raise RefusedError(
                f"Docker does not answer on {unit.name}: {facts.docker_error or 'it hangs'}",
                "look at `systemctl status docker` there",
            )
        if not facts.compose:
            raise RefusedError(f"Docker Compose v2 is not installed on {unit.name}", "install the compose plug-in there")
        if unfit := unread(facts, unit):
            raise unfit
        return facts

    async def _update(self, plan: Plan, stack: Stack, view: StackView, target: Target, seen: ask.Inspection) -> Plan:
        if not stack.source:
            raise RefusedError(
                f"{stack.name} has no folder in the repository, so there is nothing to update it from",
                f"make hosts/{view.unit}/compose/{stack.name}/ with its files",
            )
        if view.held and not plan.request.unhold:
            raise RefusedError(
                f"{stack.name} is HELD at release {view.held.release} by {view.held.operator or 'somebody'}"
                f"{f' ({view.held.reason})' if view.held.reason else ''}",
                "release the hold first (H), or update with --unhold",
            )
        files = await asyncio.to_thread(stack_files, Path(stack.source))
        project = seen.project if view.containers else ""
        old, newer = await asyncio.gather(
            ask.read_files(self._parts.runner, target, stack.path, _tops(seen)),
            ask.newer(self._parts.runner, target, project) if project else _nothing(),
        )
        managed = frozenset(seen.managed)
        notes = [VOLUMES]
        if not view.containers:
            then = "taken down" if stack.first_failure == "down" else "left up"
            notes.append(f"first deployment: there is no release to return to; if it fails it is {then}")
        unwell = sorted({c.service for c in view.containers if c.health == "unhealthy" or c.state == "restarting"})
        if unwell:
            notes.append(f"already unwell, and so not judged: {', '.join(unwell)}")
        if plan.request.service:
            notes.append(f"only {plan.request.service} is recreated; changed files of other services wait for their own update")
        if view.containers and not any(c.health for c in view.containers):
            notes.append(f"no service has a health check: well means that it runs for {stack.grace_seconds} s")
        return plan.model_copy(
            update={
                "source": files_sum(files),
                "files": preview.file_changes(old, {name: content for name, (content, _) in files.items()}, managed),
                "images": preview.update_images(view, newer, plan.request.service),
                "notes": tuple(notes),
                "commands": _commands(
                    stack,
                    *([stack.pre_update] if stack.pre_update else []),
                    f"docker compose pull --ignore-buildable {plan.request.service}".strip(),
                    *(["docker compose build"] if stack.build else []),
                    f"{UP} {'--no-deps ' + plan.request.service if plan.request.service else ''}".strip(),
                ),
            }
        )

    async def _to_release(self, plan: Plan, stack: Stack, view: StackView, target: Target, seen: ask.Inspection) -> Plan:
        release = _release(plan.request, view)
        if plan.request.verb is Verb.HOLD:
            return plan.model_copy(
                update={"release": release.id, "notes": (f"{stack.name} stays at {release.id} until it is released",)}
            )
        if plan.request.verb is Verb.FORGET:
            return plan.model_copy(
                update={"release": release.id, "notes": ("its images go with it where nothing else uses them",)}
            )
        kept = f"{target.state}/stacks/{stack.name}/releases/{release.id}/folder"
        old, new = await asyncio.gather(
            ask.read_files(self._parts.runner, target, stack.path, _tops(seen)),
            ask.read_files(self._parts.runner, target, kept, tuple(sorted({_top(line) for line in release.files}))),
        )
        images = preview.rollback_images(view, release)
        tags = [f"docker tag {s.image[:19]}… {s.ref}" for s in release.services if "@sha256:" not in s.ref]
        return plan.model_copy(
            update={
                "release": release.id,
                "files": preview.file_changes(old, new, frozenset(old)),
                "images": images,
                "commands": _commands(stack, *tags, UP),
                "notes": (
                    VOLUMES,
                    f"{stack.name} is then HELD at {release.id}: no update changes it until it is released",
                ),
            }
        )


async def _nothing() -> dict[str, tuple[str, str]]:
    return {}


def _refuse_busy(facts: Facts) -> None:
    if running := next((job for job in facts.jobs if not job.dead), None):
        raise RefusedError(f"another operation runs on {facts.unit}: {running.owner or running.id}", "wait until it has ended")


def _release(request: Request, view: StackView) -> Release:
    if request.verb is Verb.HOLD and not request.release:
        wanted = view.running
        if wanted is None:
            raise RefusedError(f"what {view.name} runs now is not recorded as a release", "update it once, or name a release")
    else:
        wanted = request.release or view.good
    if wanted is None:
        gone = [f"{ident} (image gone: {', '.join(services)})" for ident, services in view.missing.items()]
        why = f"; not restorable here: {', '.join(gone)}" if gone else "; the first one is recorded by the first update"
        raise RefusedError(f"{view.name} has no recorded good release to go back to{why}")
    release = view.release(wanted)
    if release is None:
        raise RefusedError(f"{view.name} has no release {wanted}; it has {', '.join(r.id for r in view.releases) or 'none'}")
    if release.id in view.missing and request.verb is Verb.ROLLBACK:
        raise RefusedError(
            f"release {release.id} is not restorable here: the image is gone of {', '.join(view.missing[release.id])}",
            "keep = images are lost to `docker system prune -af`; say archive = true for the stack to keep them on disk",
        )
    return release


def _simple(plan: Plan, stack: Stack, view: StackView) -> Plan:
    request = plan.request
    if request.verb is Verb.UNHOLD:
        note = f"held at {view.held.release} by {view.held.operator}" if view.held else "it is not held"
        return plan.model_copy(update={"notes": (note,)})
    if not view.containers:
        raise RefusedError(f"{stack.name} does not run on {view.unit}")
    verb = {Verb.RESTART: "restart", Verb.STOP: "stop", Verb.REMOVE: "down --remove-orphans"}[request.verb]
    notes = {
        Verb.RESTART: "the same containers are started again",
        Verb.STOP: "containers stay, and can be started again by an update",
        Verb.REMOVE: "containers go; files, releases and volumes stay, so that it can be rolled back to",
    }
    return plan.model_copy(
        update={
            "commands": _commands(stack, f"docker compose {verb} {request.service}".strip()),
            "notes": (notes[request.verb],),
        }
    )


def _commands(stack: Stack, *lines: str) -> tuple[str, ...]:
    return (f"cd {shlex.quote(stack.path)}", *lines)


def _top(line: str) -> str:
    """The top-level entry that a line "kind hash ./path" is in."""
    return line.split(" ", 2)[2].removeprefix("./").split("/")[0]


def _tops(seen: ask.Inspection) -> tuple[str, ...]:
    """What to read to see the files: the top-level entries, and for a folder that holds data each file by its name."""
    apart = {_top(f"data - {name}") for name in seen.data}
    files = (line for line in seen.files if not line.startswith("dir "))
    return tuple(sorted({line.split(" ", 2)[2] if _top(line) in apart else _top(line) for line in files}))


def _sentence(error: ClavelError) -> str:
    return f"{error.text}: {error.hint}" if error.hint else error.text
