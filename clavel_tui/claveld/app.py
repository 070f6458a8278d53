"""The HTTP API, version 1: routes, errors and bounds put together."""

from __future__ import annotations

from fastapi import FastAPI, Response

from clavel_tui import __version__
from clavel_tui.claveld import for_agents, for_people, limits, metrics, problems
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.limits import BodyLimit, Rate
from clavel_tui.claveld.replica import Replica
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.who import Claveld, Viewer

DESCRIPTION = """\
The coordinator of Clavel: it evaluates Nix flake Sources into immutable Deployments, which agents ask for by name.
It never builds. Every answer that is no success is a problem+json body that says what to do.
"""


def make_app(coordinator: Coordinator, evaluations: Evaluations, showing: Showing) -> FastAPI:
    """An ASGI application; its description is at /v1/openapi.json."""
    app = FastAPI(
        title="claveld",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={code: {"model": problems.Problem, "description": text} for code, text in _PROBLEMS.items()},
    )
    app.state.coordinator = coordinator
    app.state.evaluations = evaluations
    app.state.showing = showing
    app.state.replica = None
    app.state.asked = Rate(limits.ASKED_A_SECOND, limits.ASKED_AT_ONCE)
    app.state.reports = Rate(limits.REPORTS_A_SECOND, limits.REPORTS_AT_ONCE)
    app.state.facts = Rate(limits.FACTS_A_SECOND, limits.FACTS_AT_ONCE)
    app.state.guesses = Rate(limits.WRONG_A_SECOND, limits.WRONG_AT_ONCE)
    problems.install(app)
    app.include_router(for_agents.router, prefix="/v1")
    app.include_router(for_people.router, prefix="/v1")
    app.add_middleware(BodyLimit)

    @app.get("/healthz", tags=["health"])
    async def healthz(claveld: Claveld) -> dict[str, str]:
        """Whether it answers, and can read its database; and whether it keeps up with the others. Asks for no token."""
        await claveld.journal.last_seq()
        replica: Replica | None = app.state.replica
        bus = {"bus": "away" if replica.trouble else "well"} if replica else {}
        return {"status": "ok", "version": __version__, **bus}

    @app.get("/metrics", tags=["health"], response_class=Response)
    async def prometheus(claveld: Claveld, _: Viewer) -> Response:
        """For Prometheus, with a token of a viewer."""
        return Response(metrics.render(claveld, app.state.replica), media_type=metrics.MEDIA)

    return app


_PROBLEMS: dict[int | str, str] = {
    401: "No good token",
    403: "Not with this token",
    404: "There is no such thing",
    409: "It has changed since it was looked at",
    413: "Too long",
    422: "Not understood, or refused",
    429: "Too many requests",
    503: "The database cannot be used",
}
