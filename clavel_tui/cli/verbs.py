"""From a verb's name to what does it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from clavel_tui.cli import agents, change, deploy, evaluation, init, key, look, rollout, units
from clavel_tui.cli.context import Context

VERBS: dict[str, Callable[[Context], Coroutine[Any, Any, int]]] = {
    "init": init.init,
    "units": units.units,
    "stacks": units.stacks,
    "show": units.show,
    "doctor": units.doctor,
    "agents": agents.agents,
    "agent": agents.agent,
    "eval": evaluation.evaluate,
    "sources": evaluation.sources,
    "deployments": evaluation.deployments,
    "compare": evaluation.compare,
    "logs": look.logs,
    "history": look.history,
    "unlock": look.unlock,
    "trust": look.trust,
    "install-key": key.install_key,
    "install-helper": key.install_helper,
    "check": look.check,
    "completion": look.completion,
    "deploy": deploy.deploy,
    "reboot": deploy.deploy,
    "gc": deploy.deploy,
    "prepare": deploy.prepare,
    "rollout": rollout.rollout,
    "diff": deploy.diff,
    "generations": deploy.generations,
    "rollback": deploy.rollback,
    **dict.fromkeys(("update", "restart", "stop", "remove", "hold", "release", "forget"), change.change),
}
