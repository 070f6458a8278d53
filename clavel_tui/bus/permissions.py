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


AGENTS, CONSOLES, CLAVELD = "agents", "consoles", "claveld"


def accounts(broker: Broker, agents: Iterable[Agent], claveld: Sequence[str], consoles: Sequence[str]) -> str:
    """The `accounts` block of nats-server.conf, with a user for each public key.

    A server does not look at the subject to which an asker wants his answer: among themselves users could have claveld, or
    JetStream, answer into the log. Between accounts answers go to whoever has asked, wherever he says that he wants them.
    """
    known = [agent for agent in agents if NKEY in agent.metadata]
    users = {
        CLAVELD: [_user(public, CLAVELD) for public in claveld],
        AGENTS: [_user(agent.metadata[NKEY], agent.name, *_agent(broker, agent)) for agent in known],
        CONSOLES: [_user(public, CONSOLES, *_console(broker)) for public in consoles],
    }
    given = _given(broker)
    ways = [(kind, subject) for one in given.values() for kind, subject in one]
    exports = []
    for kind, subject in dict.fromkeys(ways):
        to = ", ".join(who.upper() for who, one in given.items() if (kind, subject) in one)
        exports.append(f"{{ {kind}: {json.dumps(subject)}, accounts: [{to}] }}")
    blocks = [_block(CLAVELD, ["jetstream: enabled", *_list("users", users[CLAVELD]), *_list("exports", exports)])]
    for who, one in given.items():
        account = CLAVELD.upper()
        imports = [f"{{ {kind}: {{ account: {account}, subject: {json.dumps(subject)} }} }}" for kind, subject in one]
        blocks.append(_block(who, [*_list("users", users[who]), *_list("imports", imports)]))
    return "accounts {\n" + "".join(blocks) + "}\n"


def _given(broker: Broker) -> dict[str, list[tuple[str, str]]]:
    """What claveld's account lets the others ask (a service) and hear (a stream)."""
    asks = [("service", f"{broker.prefix}.ask"), ("service", f"{broker.prefix}.ask.*")]
    return {
        AGENTS: [
            *asks,
            ("service", f"$JS.API.DIRECT.GET.KV_{broker.refs}.>"),
            ("service", key(broker.beats, "*")),
            ("stream", broker.now(">")),
        ],
        CONSOLES: [
            *asks,
            ("service", f"$JS.API.DIRECT.GET.{broker.log}"),
            ("stream", f"{broker.log}.>"),
            ("stream", key(broker.beats, "*")),
        ],
    }


def _block(name: str, lines: list[str]) -> str:
    return f"  {name.upper()} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _list(name: str, found: list[str]) -> list[str]:
    return [f"{name}: [", *(f"  {one}" for one in found), "]"]


def _agent(broker: Broker, agent: Agent) -> tuple[list[str], list[str]]:
    """What it may say, and what it may hear."""
    own = [*(("ref", name) for name in agent.specification.deployments), ("told", agent.name)]
    read = [f"$JS.API.DIRECT.GET.KV_{broker.refs}.{key(broker.refs, *parts)}" for parts in own]
    asks = [f"{broker.prefix}.ask", f"{broker.prefix}.ask.*"]
    return [*asks, key(broker.beats, agent.name), *read], [f"{agent_inbox(agent.name)}.>", *(broker.now(*parts) for parts in own)]


def _console(broker: Broker) -> tuple[list[str], list[str]]:
    reads = [f"$JS.API.DIRECT.GET.{broker.log}"]
    asks = [f"{broker.prefix}.ask", f"{broker.prefix}.ask.*"]
    return [*asks, *reads], [f"{inbox(CONSOLES)}.>", f"{broker.log}.>", key(broker.beats, "*")]


def _user(public: str, who: str, says: Sequence[str] = (), hears: Sequence[str] = ()) -> str:
    """``says`` and ``hears`` alone, where there are any; else all of its account."""
    allowed = f", permissions: {{ publish: {json.dumps(says)}, subscribe: {json.dumps(hears)} }}" if says else ""
    return f"{{ nkey: {public}{allowed} }}  # {who}"


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
