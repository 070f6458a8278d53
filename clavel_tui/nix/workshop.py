"""What changes something for a deployment before the unit's own job begins: build and sign here, copy there, try it dry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from clavel_tui.domain.system import ServiceChange
from clavel_tui.domain.unit import Unit
from clavel_tui.nix import messages, substitute
from clavel_tui.nix.dry import parse_dry
from clavel_tui.nix.evaluator import NixError
from clavel_tui.nix.here import nix_store, text, workstation
from clavel_tui.remote.effects import Mutation, OnLine
from clavel_tui.remote.runner import Runner
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import SshFiles

DRY_ACTIVATE = '"${CLAVEL_ROOT:-}$1/bin/switch-to-configuration" dry-activate 2>&1 </dev/null'
BUILD_S = 6 * 3600.0
COPY_S = 2 * 3600.0
DRY_S = 120.0
LINES_KEPT = 200
_FEATURES = ("--extra-experimental-features", "nix-command flakes")
_ROOTS = "roots=$1\nshift\n"
_ROOT = 'mkdir -p "$roots" && ln -sfn "$1" "$roots/${1##*/}" || exit 1\nshift\n'
"""Before what is built on a unit is there: else a garbage collection might come first."""
_UNROOT = 'made=$roots/${1##*/}\ntrap \'[ -e "$made" ] || rm -f "$made"\' EXIT\n'
"""A root of what never came would count among those that are kept."""
_DARWIN_STORE = "/nix/var/nix/profiles/default/bin/nix-store"
"""A login by SSH has no Nix in its PATH on macOS."""


@dataclass(frozen=True)
class Workshop:
    """``roots``: the folder of what keeps build results from the workstation's garbage collector until they are copied."""

    runner: Runner
    program: str
    files: SshFiles
    roots: Path
    signing_key: str = ""

    async def instantiate(self, url: str, attribute: str, on_line: OnLine) -> None:
        """Writes the derivation of an attribute into the store again, where it was collected as garbage.

        Raises:
            NixError: the source is gone, or does not evaluate any more.
        """
        leaf = "toplevel" if attribute.startswith("clavelUnits.") else "config.system.build.toplevel"
        words = [self.program, *_FEATURES, "eval", "--raw", f"{url}#{attribute}.{leaf}.drvPath"]
        await self._here("nix eval", words, BUILD_S, on_line)

    async def build(self, drv: str, name: str, on_line: OnLine) -> None:
        """Builds it, or takes it from a cache, and keeps the result by a root called ``name``.

        Raises:
            NixError: with the builder's own last words.
        """
        self.roots.mkdir(parents=True, exist_ok=True)
        words = [nix_store(self.program), "--realise", drv, "--add-root", str(self.roots / name), "--indirect"]
        await self._here("nix-store --realise", words, BUILD_S, on_line)

    async def sign(self, path: str, on_line: OnLine) -> None:
        """Signs the closure with the workstation's key, where one is set up."""
        if self.signing_key:
            words = [self.program, *_FEATURES, "store", "sign", "--key-file", self.signing_key, "--recursive", path]
            await self._here("nix store sign", words, BUILD_S, on_line)

    async def build_there(self, drv: str, path: str, target: Target, unit: Unit, on_line: OnLine) -> None:
        """Builds it on the unit, to which what it is built from is copied; our root keeps it there.

        Raises:
            NixError: with the builder's own last words.
        """
        await self.copy(drv, target, unit.type.value, on_line, "--derivation")
        words = (unit.roots, path, "nix-store", "--realise", drv)
        work = Mutation.script("build", _ROOTS + _ROOT + text("work.sh"), *words, timeout=BUILD_S, hold_stdin=True)
        await self._said("nix-store --realise", target, work, on_line)

    async def copy(self, path: str, target: Target, type_: str, on_line: OnLine, *how: str) -> None:
        """Copies the closure; the unit takes what it can from its own substituters. ``how``: more options of `nix copy`.

        Raises:
            NixError: with a sentence that says what the unit refused, and what to do.
        """
        with ssh_config(self.files, target.port) as config:
            to = ("--substitute-on-destination", "--to", store_url(target, type_))
            words = [self.program, *_FEATURES, "copy", *how, *to, path]
            said: list[str] = []

            def told(line: str) -> None:
                said.append(line)
                on_line(line)

            try:
                await self._here("nix copy", words, COPY_S, told, NIX_SSHOPTS=f"-F {config}")
            except NixError as error:
                raise explained(error, said, target, self.signing_key) from error

    async def substitute(
        self, path: str, target: Target, unit: Unit, substituters: Sequence[str], keys: Sequence[str], on_line: OnLine
    ) -> None:
        """The unit takes it from these substituters or its own; our root keeps it there. Nothing is built.

        Raises:
            NixError: what is in none of them, or is not signed as it has to be.
        """
        said: list[str] = []

        def told(line: str) -> None:
            said.append(line)
            on_line(line)

        words = (unit.roots, path, *substitute.words(path, substituters, keys))
        script = _ROOTS + _UNROOT + _ROOT + text("work.sh")
        work = Mutation.script("substitute", script, *words, timeout=COPY_S, hold_stdin=True)
        try:
            await self._said("nix-store --realise", target, work, told)
        except NixError as error:
            why, hint = substitute.refused(path, said, substituters)
            raise NixError(f"{target.name} cannot fetch it: {why}", hint, error.fault) if why else error from error

    async def dry_activate(self, target: Target, path: str) -> tuple[ServiceChange, ...] | None:
        """What the switch would start, stop and restart, as the closure itself says it; None where it cannot say.

        It may run code of the closure.
        """
        result = await self.runner.mutate(target, Mutation.script("dry-activate", DRY_ACTIVATE, path, timeout=DRY_S))
        return parse_dry(result.out.splitlines()) if result.ok else None

    async def _here(self, name: str, words: Sequence[str], timeout: float, on_line: OnLine, **environment: str) -> None:
        work = Mutation.script(name, text("work.sh"), *words, timeout=timeout, elevated=False, hold_stdin=True)
        await self._said(name, workstation(**environment), work, on_line)

    async def _said(self, name: str, target: Target, work: Mutation, on_line: OnLine) -> None:
        """Raises NixError with its last words where it fails."""
        said: list[str] = []

        def told(line: str) -> None:
            said[: len(said) - LINES_KEPT + 1] = []
            said.append(line)
            on_line(line)

        result = await self.runner.mutate(target, work, told)
        if result.code:
            fault, why = messages.failure(result.code, said)
            raise NixError(f"{name} failed: {why}", "its last lines are in the operation's log", fault)


def store_url(target: Target, type_: str) -> str:
    """The unit's store as Nix addresses it. ``ssh://`` takes unsigned paths from a user whom the unit trusts."""
    user = f"{target.user}@" if target.user else ""
    program = [_DARWIN_STORE if type_ == "darwin" else "nix-store"]
    if target.elevate == "sudo":
        program = ["sudo", "-n", "-H", *program]
    return f"ssh://{user}{target.address}?compress=true&remote-program={quote(' '.join(program))}"


@contextmanager
def ssh_config(files: SshFiles, port: int) -> Iterator[Path]:
    """Our host keys and key for Nix's ssh, in a folder whose name has no blanks: Nix parts NIX_SSHOPTS at them."""
    lines = ["Host *", "BatchMode yes", "StrictHostKeyChecking yes", "ConnectTimeout 10", "ServerAliveInterval 5"]
    if files.known_hosts:
        lines += [f'UserKnownHostsFile "{files.known_hosts}"', "GlobalKnownHostsFile /dev/null"]
    if files.identity:
        lines += [f'IdentityFile "{files.identity}"', "IdentitiesOnly yes"]
    if port:
        lines += [f"Port {port}"]
    theirs = files.config if files.config is not None else (Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config"))
    lines += [f'Include "{file}"' for file in theirs]
    with tempfile.TemporaryDirectory(prefix="clavel-") as folder:
        config = Path(folder, "config")
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield config


def explained(error: NixError, said: Sequence[str], target: Target, signing_key: str = "") -> NixError:
    """A refused copy in a sentence. The words of signatures differ: 2.8 says `lacks a valid signature`.

    What the other side says stands before our own last word, which is that the line ended.
    """
    lower = "\n".join(said).lower()
    if "lacks a valid signature" in lower or "lacks a signature by a trusted key" in lower:
        who = target.user or "the login"
        if signing_key:
            hint = f"put the public half of {signing_key} into trusted-public-keys there: `nix key convert-secret-to-public`"
            return NixError(f"{target.name} does not trust the key that signed it", hint, error.fault)
        hint = (
            f'let {who} become root there (elevate = "sudo"), add {who} to trusted-users, or sign here:'
            " signing_key in the config file, and its public half in trusted-public-keys of the unit"
        )
        return NixError(f"{target.name} takes no unsigned paths from {who}", hint, error.fault)
    if "permission denied (" in lower:
        text = f"ssh could not log in on {target.name} to copy: Nix runs it, and it asks nobody for a passphrase"
        return NixError(text, "put the key into an agent: `ssh-add`", error.fault)
    if "no space left" in lower:
        return NixError(
            f"the disk of {target.name} is full",
            "free some there: `nix-collect-garbage`; what was deployed last is kept by roots",
            error.fault,
        )
    return error
