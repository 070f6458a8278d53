"""Units whose login has not got root's rights, but may run one fixed program that has: see unit/helper.sh."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.remote.effects import Effect, Mutation
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import Runner
from clavel_tui.remote.target import Target

HELPER = "/opt/clavel-unit"
"""Its folder. Above it only root may write, on Debian too, where the group `staff` owns /usr/local."""
JOB = ("start", "follow", "settle", "cancel", "ack", "unlock")
DOES = {name: name for name in ("probe", "system_look", "dry-activate")} | dict.fromkeys(JOB, "job")
"""By the effect's name, by what name the helper knows it."""
AGAIN = "put it there anew: `clavel-tui install-helper`"


def helped(target: Target, effect: Effect) -> list[str] | None:
    """The helper's argv for this effect; None where the login's own rights do.

    Raises:
        RemoteError: it would change something, and the helper does no such thing.
    """
    if target.elevate != "helper" or not effect.elevated:
        return None
    if effect.name not in DOES:
        if isinstance(effect, Mutation):
            text = f"the login on {target.name} may not {effect.name}: its helper does no such thing"
            raise RemoteError("helper", text, 'log in as root, or say elevate = "sudo" in unit.toml')
        return None
    sum_ = hashlib.sha256(effect.text.encode()).hexdigest()
    return ["sudo", "-n", "-H", f"{HELPER}/clavel-unit", DOES[effect.name], sum_, *effect.args]


def trouble(target: Target, said: str) -> RemoteError | None:
    """What the helper, or sudo before it, said in refusal."""
    _, told, why = said.rpartition("clavel-unit: ")
    if told:
        return RemoteError("helper", f"the helper on {target.name}: {why.splitlines()[0]}", AGAIN if "version" in why else "")
    if "password is required" in said or "not allowed to" in said or "not found" in said or "may not run" in said:
        text = f"there is no helper on {target.name} that {target.user or 'this login'} may run"
        return RemoteError("helper", text, f"put it there: `clavel-tui install-helper {target.name}`")
    return None


@dataclass(frozen=True)
class HelperFiles:
    """What the helper consists of.

    ``texts``: name → the script that a console means by it; ``kinds``: name → the files of a job of that kind.
    """

    start: str
    libraries: Mapping[str, str]
    guard: str
    say: str
    texts: Mapping[str, str]
    kinds: Mapping[str, Mapping[str, tuple[bytes, int]]]

    def bundle(self, target: Target, keys: str, folder: str = HELPER) -> Bundle:
        """As it lies on the unit. ``keys``: public halves of the keys by which a system may be signed."""
        start = f"#!/bin/sh\nhere={folder}\n{self.start}"
        said = {**target.variables(), "CLAVEL_SYSTEM_KEYS": keys}
        # Folders of Homebrew or of the group `staff` hold programs that are not root's.
        own = (folder for folder in said["PATH"].split(":") if not folder.startswith(("/usr/local", "/opt/homebrew")))
        said["PATH"] = ":".join(own)
        settings = assignments(said) + b"export " + " ".join(said).encode() + b"\n"
        files = {"clavel-unit": (start.encode(), 0o755), "settings": (settings, 0o644)}
        files |= {name: (text.encode(), 0o644) for name, text in self.libraries.items()}
        files |= {"guard": (self.guard.encode(), 0o644), "say": (self.say.encode(), 0o644)}
        for name, text in self.texts.items():
            files[f"texts/{name}"] = (text.encode(), 0o644)
            files[f"texts/{name}.sum"] = (f"{hashlib.sha256(text.encode()).hexdigest()}\n".encode(), 0o644)
        for kind, code in self.kinds.items():
            files |= {f"files/{kind}/{name}": (text, 0o755) for name, (text, _) in code.items()}
            files[f"files/{kind}.sum"] = (f"{Bundle(code).sum()}\n".encode(), 0o644)
        return Bundle(files)


class HelperInstaller:
    """Changes units, so a read-only console has none."""

    def __init__(self, runner: Runner, script: str) -> None:
        self._runner = runner
        self._script = script

    async def install(self, target: Target, bundle: Bundle, login: str) -> Sequence[str]:
        """Puts it there by a target that can become root, for a login that cannot; returns what the unit said.

        Raises:
            RemoteError: it could not be put.
        """
        put = Mutation.script("install-helper", self._script, HELPER, bundle.sum(), login, stdin=bundle.tar())
        try:
            result = await self._runner.mutate(target, put)
        finally:
            await self._runner.forget(target)
        if not result.ok:
            raise RemoteError("helper", f"{target.name}: {result.err.strip() or 'the helper could not be put'}")
        return result.out.splitlines()
