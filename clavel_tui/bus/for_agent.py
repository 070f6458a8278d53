"""What an agent asks of its claveld: a Deployment by its name, and to take a report."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import ValidationError

from clavel_tui.bus.claveld import ANSWER_S, NOT_UNDERSTOOD, Claveld, ClaveldError
from clavel_tui.domain.agent import Order, Report, Told
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.text import clean


@dataclass(frozen=True)
class Got:
    """``deployment`` None: what ``tag`` named has not changed."""

    tag: str
    deployment: Deployment | None = None
    told: Told | None = None


class AgentClient(Claveld):
    """With an agent's own token."""

    async def deployment(self, name: str, tag: str = "", wait: float = 0.0) -> Got:
        """Where the ref points, as soon as that is unlike ``tag``.

        Raises:
            ClaveldError: it is away, or refuses.
        """
        headers = {"If-None-Match": tag} if tag else {}
        path = f"/v1/deployments/{quote(name)}?wait={wait:g}"
        status, found, body = await self.asked("GET", path, None, headers, wait + ANSWER_S)
        if status == http.client.NOT_MODIFIED:
            return Got(tag)
        try:
            deployment = Deployment.model_validate_json(body, extra="ignore")  # a newer claveld says more
            order, number = found.get("Clavel-Order"), found.get("Clavel-Order-Number", "0")
            told = Told(order=Order(order), number=int(number)) if order else None
        except (ValidationError, ValueError) as error:
            raise ClaveldError(f"{self.url} answers what is not understood: {clean(str(error), 200)}", NOT_UNDERSTOOD) from error
        return Got(found.get("ETag", ""), deployment, told)

    async def tell(self, facts: Facts) -> None:
        """What was seen of the unit. Raises ClaveldError: it is away, or refuses them."""
        body = facts.model_dump_json().encode()
        await self.asked("POST", f"/v1/facts/{quote(facts.unit)}", body, {"Content-Type": "application/json"}, ANSWER_S)

    async def report(self, report: Report) -> None:
        """Raises ClaveldError: it is away, or refuses it."""
        body = report.model_dump_json().encode()
        await self.asked("POST", "/v1/reports", body, {"Content-Type": "application/json"}, ANSWER_S)
