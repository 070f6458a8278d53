"""Errors over HTTP: a problem+json body (RFC 9457) whose detail is a sentence, with what to do."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from clavel_tui.domain.errors import AwayError, ClavelError, MovedError, RefusedError, StoreRefusedError
from clavel_tui.domain.text import clean
from clavel_tui.history import JournalError

MEDIA = "application/problem+json"
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (MovedError, 409),
    (AwayError, 503),
    (RefusedError, 422),
    (StoreRefusedError, 503),
    (JournalError, 503),
)
ADVICE = {
    401: "say `Authorization: Bearer TOKEN` with a token of `claveld agent add` or `claveld token add`",
    404: "GET /v1/openapi.json tells what there is",
    405: "GET /v1/openapi.json tells what can be done with it",
}


class Problem(BaseModel):
    """RFC 9457. ``hint`` is ours: what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str = ""


class ProblemError(Exception):
    """Ends a request with that status."""

    def __init__(self, status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint or ADVICE.get(status, "")
        self.headers = headers


def install(app: FastAPI) -> None:
    """Has every error of the app answered so."""

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> JSONResponse:
        return answer(error.status, error.detail, error.hint, error.headers)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), "", dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
        return answer(422, clean("; ".join(said)), "GET /v1/openapi.json tells what is taken")

    @app.exception_handler(ClavelError)
    async def refused(_request: Request, error: ClavelError) -> JSONResponse:
        return answer(_status(error), clean(error.text), clean(error.hint))

    @app.exception_handler(JournalError)
    async def store(_request: Request, error: JournalError) -> JSONResponse:
        return answer(_status(error), clean(error.text), clean(error.hint))


def _status(error: Exception) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def answer(status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """The body of a problem."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint or ADVICE.get(status, ""))
    return JSONResponse(said.model_dump(), status, headers, MEDIA)
