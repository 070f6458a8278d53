"""What each may do at a NATS server, in the words of its configuration file: an agent only what is its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from clavel_tui.domain.agent import Agent
from clavel_tui.domain.broker import Broker, key
from clavel_tui.domain.errors import RefusedError

NKEY = "nkey"
"""Under which of an agent's metadata its public key stands."""
_USER = 20 << 3
"""What makes a seed one of a user, in the words of nkeys."""


def inbox(name: str) -> str:
    """Where answers to that one come: nobody else may listen there."""
    return f"_INBOX.{name}"


def agent_inbox(name: str) -> str:
    """See inbox."""
    return inbox(f"agent-{name}")


CONSOLES, CLAVELD = "consoles", "claveld"


def authorization(broker: Broker, agents: Iterable[Agent], claveld: Sequence[str], consoles: Sequence[str]) -> str:
    """The `authorization` block of nats-server.conf, with a user for each public key."""
    users = [_user(public, CLAVELD, [">"], [">"]) for public in claveld]
    users += [_user(public, CONSOLES, *_console(broker)) for public in consoles]
    users += [_user(agent.metadata[NKEY], agent.name, *_agent(broker, agent)) for agent in agents if NKEY in agent.metadata]
    return "authorization {\n  users = [\n" + "".join(users) + "  ]\n}\n"


def _agent(broker: Broker, agent: Agent) -> tuple[list[str], list[str]]:
    """What it may say, and what it may hear."""
    kept = [key(broker.refs, "ref", name) for name in agent.specification.deployments] + [key(broker.refs, "told", agent.name)]
    read = [f"$JS.API.DIRECT.GET.KV_{broker.refs}.{subject}" for subject in kept]
    asks = [f"{broker.prefix}.ask", f"{broker.prefix}.ask.*"]
    return [*asks, key(broker.beats, agent.name), *read], [f"{agent_inbox(agent.name)}.>", *kept]


def _console(broker: Broker) -> tuple[list[str], list[str]]:
    reads = [f"$JS.API.STREAM.INFO.{broker.log}", f"$JS.API.DIRECT.GET.{broker.log}"]
    asks = [f"{broker.prefix}.ask", f"{broker.prefix}.ask.*"]
    return [*asks, *reads], [f"{inbox(CONSOLES)}.>", f"{broker.log}.>", key(broker.beats, "*")]


def _user(public: str, who: str, says: list[str], hears: list[str]) -> str:
    allowed = f"publish: {json.dumps(says)}, subscribe: {json.dumps(hears)}"
    return f"    # {who}\n    {{ nkey: {public}, permissions: {{ {allowed} }} }}\n"


def new_seed(file: Path) -> str:
    """Writes a new seed there, for its owner's eyes; returns the public key.

    Raises:
        RefusedError: there is something already, it cannot be written, or nkeys is missing.
    """
    import os

    try:
        import nkeys
    except ModuleNotFoundError as error:
        raise RefusedError(f"{error.name} is not installed", "pip install 'clavel-tui[nats]'") from error
    seed = nkeys.encode_seed(os.urandom(32), _USER)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(seed + b"\n")
    except OSError as error:
        raise RefusedError(f"{file}: {error.strerror}", "a key that is there stays; name another file") from error
    return str(nkeys.from_seed(bytearray(seed)).public_key.decode())
