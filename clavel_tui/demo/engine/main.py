"""The start of the demo's ``docker``: from a command line to an answer and an exit status."""

from __future__ import annotations

import os
import sys

from .store import EngineError, Store


def _run(store: Store, args: list[str]) -> None:
    from . import docker

    verb, *rest = args or ["help"]
    if verb == "compose":
        from . import compose

        compose.main(store, rest)
    elif verb in docker.VERBS:
        docker.VERBS[verb](store, rest)
    else:
        raise EngineError(f"docker: '{verb}' is not a docker command.\nSee 'docker --help'")


def main(args: list[str]) -> int:
    """One command on the unit that ``CLAVEL_ROOT`` names."""
    try:
        _run(Store(os.environ["CLAVEL_ROOT"]), args)
        sys.stdout.flush()
    except EngineError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error}\n")
        return error.code
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(141)
    return 0
