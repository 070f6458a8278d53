"""Every command, declared once: help, footer, README's table of keys and the CLI's verbs are made from this."""

from __future__ import annotations

from collections.abc import Mapping

from clavel_tui.domain.model import Model


class Command(Model):
    """A thing that a person can ask for. ``mutates``: it changes a unit. ``verb``: its name in the CLI, if it has one."""

    id: str
    key: str
    name: str
    tooltip: str
    mutates: bool = False
    verb: str = ""
    shown: bool = True
    """In the footer; all of them are in the help."""


COMMANDS: tuple[Command, ...] = (
    Command(
        id="update",
        key="u",
        name="Update",
        tooltip="Update the selected stack: preview first",
        mutates=True,
        verb="update",
    ),
    Command(
        id="deploy",
        key="d",
        name="Deploy",
        tooltip="Deploy to the unit's whole system what it should run, or the Deployment under the cursor: preview first",
        mutates=True,
        verb="deploy",
    ),
    Command(
        id="rollout",
        key="w",
        name="Roll out",
        tooltip="Deploy to, or update, all that is marked, in waves: a few first, watched; or look at the rollout that runs",
        mutates=True,
        verb="rollout",
        shown=False,
    ),
    Command(
        id="rollback",
        key="r",
        name="Roll back",
        tooltip="Roll the selected stack, or the whole system, back to the last known good, or to anything recorded",
        mutates=True,
        verb="rollback",
    ),
    Command(
        id="explain",
        key="x",
        name="Explain",
        tooltip="Why it is not ok: reasons, evidence, last operation, log lines, the next key",
    ),
    Command(id="logs", key="l", name="Logs", tooltip="Follow the logs of the selected stack", verb="logs"),
    Command(id="filter", key="slash", name="Filter", tooltip="Show units whose name, tag, stack or health matches"),
    Command(id="refresh", key="R", name="Refresh", tooltip="Look at every unit now", shown=False),
    Command(
        id="restart",
        key="t",
        name="Restart",
        tooltip="Restart the selected stack",
        mutates=True,
        verb="restart",
        shown=False,
    ),
    Command(
        id="stop",
        key="S",
        name="Stop",
        tooltip="Stop the selected stack's services",
        mutates=True,
        verb="stop",
        shown=False,
    ),
    Command(
        id="hold",
        key="H",
        name="Hold",
        tooltip="Hold the stack at what runs, or release the hold",
        mutates=True,
        verb="hold",
        shown=False,
    ),
    Command(
        id="reboot",
        key="B",
        name="Reboot",
        tooltip="Restart the machine, wait for it, and look at what came up",
        mutates=True,
        verb="reboot",
        shown=False,
    ),
    Command(
        id="gc",
        key="C",
        name="Collect",
        tooltip="Collect the garbage of the unit's Nix store: says first what would go and what is kept",
        mutates=True,
        verb="gc",
        shown=False,
    ),
    Command(
        id="evaluate",
        key="e",
        name="Evaluate",
        tooltip="Evaluate the fleet's sources into Deployments: builds nothing, touches no unit",
        mutates=True,
        verb="eval",
    ),
    Command(
        id="acknowledge",
        key="a",
        name="Acknowledge",
        tooltip="A reason or a drift of the unit is known: no alarm, for a while or until it changes",
        mutates=True,
        shown=False,
    ),
    Command(
        id="trust",
        key="T",
        name="Trust",
        tooltip="First contact: look at the unit's host key, and accept it",
        mutates=True,
        verb="trust",
        shown=False,
    ),
    Command(
        id="tell",
        key="A",
        name="Tell agent",
        tooltip="Tell the unit's agent to look now, to hold or to go on; pin its ref, or let it follow its source again",
        mutates=True,
        verb="agent",
        shown=False,
    ),
    Command(
        id="cancel",
        key="c",
        name="Cancel",
        tooltip="Ask the running operation of this unit to stop at its next safe point",
        mutates=True,
        shown=False,
    ),
    Command(
        id="undo",
        key="z",
        name="Undo",
        tooltip="Go back to what ran before the selected operation",
        mutates=True,
        shown=False,
    ),
    Command(id="copy", key="y", name="Copy", tooltip="Copy what is under the cursor to the clipboard", shown=False),
    Command(id="palette", key="colon", name="Palette", tooltip="Every command by its name (ctrl+p too)", shown=False),
    Command(
        id="details",
        key="enter",
        name="Details",
        tooltip="From the list to the unit's stacks, and back with esc",
        shown=False,
    ),
    Command(id="fleet", key="1", name="Fleet", tooltip="Units, deployments, agents", shown=False),
    Command(
        id="deployments",
        key="2",
        name="Deployments",
        tooltip="What was evaluated for each unit, what should run and what does",
        verb="deployments",
        shown=False,
    ),
    Command(id="stacks", key="3", name="Stacks", tooltip="Every stack of the fleet in one list", verb="stacks", shown=False),
    Command(
        id="history",
        key="5",
        name="History",
        tooltip="Every operation: who, when, from what, how it ended",
        verb="history",
        shown=False,
    ),
    Command(
        id="sources",
        key="6",
        name="Sources",
        tooltip="The fleet's flakes, and what came of them",
        verb="sources",
        shown=False,
    ),
    Command(
        id="agents",
        key="7",
        name="Agents",
        tooltip="Every unit that pulls: what its agent is at, wants and runs, and how far behind that is",
        verb="agents",
        shown=False,
    ),
    Command(id="tour", key="f1", name="Tour", tooltip="The first five steps, one after the other; again ends it", shown=False),
    Command(id="help", key="question_mark", name="Help", tooltip="All keys"),
    Command(id="quit", key="q", name="Quit", tooltip="Leave; running operations go on, on their units"),
)

MOVES: tuple[tuple[str, str], ...] = (
    ("arrows, h j k l", "move"),
    ("tab", "next pane"),
    ("space", "mark; u d w r t S H then act on all that are marked, after one preview"),
    ("esc", "back"),
    ("y / n / w", "yes, no, or say why first, in a dialog"),
)


def command(ident: str) -> Command:
    """The command of that id.

    Raises:
        KeyError: no such command.
    """
    found = next((c for c in COMMANDS if c.id == ident), None)
    if found is None:
        raise KeyError(ident)
    return found


def shown_key(key: str) -> str:
    """A key as people write it."""
    return {"f1": "F1", "slash": "/", "question_mark": "?", "colon": ":"}.get(key, key)


def key_of(ident: str, keys: Mapping[str, str]) -> str:
    """The key of a command as people write it, also where the user has given it another one."""
    return shown_key(keys.get(ident, command(ident).key))
