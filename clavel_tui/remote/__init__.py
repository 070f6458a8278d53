"""How effects reach a unit: targets, queries, mutations, SSH, local processes, durable jobs. Nobody else starts a process."""

from clavel_tui.remote.effects import Mutation, Query, Result
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner, Runner
from clavel_tui.remote.target import Target

__all__ = ["Mutation", "Query", "QueryRunner", "RemoteError", "Result", "Runner", "Target"]
