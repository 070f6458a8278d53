"""`install-key`: a key that may only look. `install-helper`: a login that may deploy, and is not root."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.outcome import EXIT_CODES, Outcome
from clavel_tui.domain.text import clean

_LOGIN = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_PUBLIC = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]{40,}( .*)?")


async def install_key(context: Context) -> int:
    """Prints the line; with --install puts it on the unit, after a question."""
    args = context.args
    if not args.looks:
        raise RefusedError("say --read-only: only keys that may look are made here", "ssh-copy-id puts any other key")
    key = await asyncio.to_thread(public_key, Path(args.key))
    if args.install:
        context.refuse_read_only()
    async with context.doors.client(settle=False) as client:
        line = await client.look_key(args.name, key)
        if not args.install:
            output.as_json({"unit": args.name, "line": line}) if context.json else output.result(line)
            output.note(f"what it runs has to be on {args.name} as well: --install puts both")
            return 0
        output.note(f"into authorized_keys on {args.name}:\n  {line}")
        if not args.yes and not output.confirmed("Put it there?"):
            return _declined(context, {"unit": args.name, "line": line, "done": ""})
        where = await client.install_look_key(args.name, key)
    output.as_json({"unit": args.name, "line": line, "done": where}) if context.json else output.result(f"{args.name}: {where}")
    return 0


async def install_helper(context: Context) -> int:
    """Puts the helper on the unit for a login, after a question."""
    args = context.args
    context.refuse_read_only()
    if not _LOGIN.fullmatch(args.login):
        raise RefusedError(f"{args.login} is no name of a login")
    output.note(
        f"on {args.name}: /opt/clavel-unit, and a line in sudoers: {args.login} ALL=(root) NOPASSWD: /opt/clavel-unit/clavel-unit"
    )
    if not args.yes and not output.confirmed("Put it there?"):
        return _declined(context, {"unit": args.name, "done": []})
    async with context.doors.client(settle=False) as client:
        lines = await client.install_helper(args.name, args.login, args.root, args.keys)
    output.as_json({"unit": args.name, "done": list(lines)}) if context.json else output.result("\n".join(lines))
    return 0


def _declined(context: Context, said: dict[str, object]) -> int:
    if context.json:
        output.as_json(said)
    return EXIT_CODES[Outcome.CANCELLED]


def public_key(file: Path) -> str:
    """The one key of a .pub file, as one line.

    Raises:
        RefusedError: it is none. What it holds is never shown: it may be a private one.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise RefusedError(f"the key {file} cannot be read: {error}", "name the .pub file with --key") from error
    if len(lines) != 1 or not _PUBLIC.fullmatch(lines[0]):
        raise RefusedError(f"{file} is not one public SSH key", "name the .pub file with --key")
    kind, blob, *comment = lines[0].split(" ", 2)
    return clean(f"{kind} {blob} {' '.join(comment)}", 1000).replace('"', "").strip()
