"""Puts a key on a unit that may only look: the line in authorized_keys, and the forced command that it names."""

from __future__ import annotations

from dataclasses import dataclass

from clavel_tui.remote.effects import Mutation
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import Runner
from clavel_tui.remote.target import Target

LOOK_FOLDER = "/var/lib/clavel-look"


@dataclass(frozen=True)
class KeyScripts:
    """The texts of unit/look.sh, unit/look_install.sh and unit/authorize.sh; remote knows no file of ours."""

    look: str
    install: str
    authorize: str


def authorized_line(target: Target, key: str) -> str:
    """The line of authorized_keys. ``restrict``: no terminal, no forwarding of anything, no rc file."""
    sudo = "sudo -n -H " if target.elevate != "none" else ""
    return f'restrict,command="{sudo}sh {LOOK_FOLDER}/look.sh" {key}'


class KeyInstaller:
    """Changes units, so a read-only console has none."""

    def __init__(self, runner: Runner, scripts: KeyScripts) -> None:
        self._runner = runner
        self._scripts = scripts

    async def install(self, target: Target, probe: str, key: str) -> str:
        """Puts the forced command, then the line; returns where that stands now.

        Raises:
            RemoteError: it could not be put. A line that is not there lets nobody in.
        """
        put = Mutation.script("look", self._scripts.install, LOOK_FOLDER, self._scripts.look, stdin=probe.encode())
        await self._done(target, put)
        line = authorized_line(target, key)
        blob = key.split()[1]
        return await self._done(target, Mutation.script("authorize", self._scripts.authorize, blob, line, elevated=False))

    async def _done(self, target: Target, mutation: Mutation) -> str:
        result = await self._runner.mutate(target, mutation)
        if not result.ok:
            raise RemoteError("key", f"{target.name}: {result.err.strip() or 'the key could not be put'}")
        return result.out.strip()
