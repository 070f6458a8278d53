"""Evaluating a Source: what is known is not asked again, and what is learnt becomes Deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clavel_tui.domain.deployment import Deployment, Specification, Template
from clavel_tui.domain.source import Attribute, Evaluation, Fault, Listing, Lock, Source
from clavel_tui.domain.unit import Fleet, Unit
from clavel_tui.history.deployments import Deployments
from clavel_tui.nix.evaluator import EXTRACTOR, Evaluator, Progress, sets_of


class Evaluating:
    """One fleet's evaluations. Raises what the evaluator raises: NixError."""

    def __init__(self, fleet: Fleet, evaluator: Evaluator, deployments: Deployments) -> None:
        self._fleet = fleet
        self._evaluator = evaluator
        self._deployments = deployments

    async def evaluate(self, source: Source, progress: Progress) -> Evaluation:
        """Of memos as far as they go; evaluators are started for the rest only."""
        lock = await self._evaluator.lock(source.reference)
        listing, known = await self._remembered(lock)
        missing = [unit for unit in self._fleet.units if _lacks(unit, listing, known)]
        processes, warnings = 0, tuple[str, ...]()
        if listing is None or missing:
            told = await self._evaluator.extract(lock, missing, progress)
            listing, processes, warnings = told.listing, told.processes, told.warnings
            await self._remember(lock, listing or Listing(), told.attributes.values())
            known |= told.attributes
        found = tuple(self._checked(attribute) for attribute in _each_once(known.values(), self._fleet.units))
        return Evaluation(
            source=source,
            lock=lock,
            listing=listing or Listing(),
            attributes=found,
            warnings=warnings,
            processes=processes,
        )

    def deployments(self, evaluation: Evaluation) -> list[Deployment]:
        """One for every attribute that is well."""
        return [self._deployment(evaluation, one) for one in evaluation.attributes if not one.fault]

    def _deployment(self, evaluation: Evaluation, one: Attribute) -> Deployment:
        unit = self._fleet.unit(one.unit)
        said_by, substituters, keys = self._substituters(one, evaluation.listing, unit)
        metadata = {"drvPath": one.drv_path, "system": one.system, "type": one.type, "profile": one.profile, **one.metadata}
        template = Template(
            nar_id=one.nar_id,
            substituters=substituters,
            keys=keys,
            metadata={key: value for key, value in metadata.items() if value},
        )
        return Deployment.of(
            Specification(unit=one.unit, template=template),
            evaluation.source.url,
            evaluation.lock.nar_hash,
            **{"attribute": one.name, "substituters-from": said_by},
        )

    def _substituters(self, one: Attribute, listing: Listing, unit: Unit | None) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The first that says any: the attribute itself, the flake's nixConfig, the unit's file, the fleet's."""
        fleet = self._fleet
        said = [
            (one.name, one.substituters, one.keys),
            ("nixConfig", listing.substituters, listing.keys),
            ("unit.toml", unit.substituters if unit else (), unit.substituters_public_keys if unit else ()),
            ("fleet.toml", fleet.substituters, fleet.substituters_public_keys),
        ]
        return next((entry for entry in said if entry[1]), ("", (), ()))

    def _checked(self, one: Attribute) -> Attribute:
        """Against the unit's own file: a closure for another system would never start there."""
        unit = self._fleet.unit(one.unit)
        if one.fault or unit is None or not one.system or one.system == unit.arch:
            return one
        text = f"is for {one.system}, but unit.toml of {unit.name} says {unit.arch}"
        return one.model_copy(update={"fault": Fault.SCHEMA, "text": text})

    async def _remembered(self, lock: Lock) -> tuple[Listing | None, dict[str, Attribute]]:
        keys = {_memo(lock, name, unit.type): name for unit in self._fleet.units for name in _names(unit)}
        found = await self._deployments.remembered([_memo(lock, "", ""), *keys])
        listing = found.pop(_memo(lock, "", ""), None)
        known = {keys[key]: Attribute.model_validate_json(body) for key, body in found.items()}
        return (Listing.model_validate_json(listing) if listing else None), known

    async def _remember(self, lock: Lock, listing: Listing, attributes: Iterable[Attribute]) -> None:
        types = {unit.name: unit.type for unit in self._fleet.units}
        memos = {_memo(lock, "", ""): listing.model_dump_json()}
        for one in attributes:
            if one.fault is None or one.fault.lasting:
                memos[_memo(lock, one.name, types[one.unit])] = one.model_dump_json()
        await self._deployments.remember(memos)


def _names(unit: Unit) -> list[str]:
    return [f"{set_}.{unit.name}" for set_ in sets_of(unit.type)]


def _lacks(unit: Unit, listing: Listing | None, known: Mapping[str, Attribute]) -> bool:
    there = set(listing.attributes) if listing else None
    return any(name not in known and (there is None or name in there) for name in _names(unit))


def _memo(lock: Lock, attribute: str, type_: str) -> str:
    """What an answer depends on. Without an attribute: the listing."""
    return f"{lock.key}\n{lock.nix}\n{EXTRACTOR}\n{attribute}\n{type_}"


def _each_once(attributes: Iterable[Attribute], units: Sequence[Unit]) -> list[Attribute]:
    """A unit that two attributes are for gets neither: nobody could tell which one it should run."""
    by_unit: dict[str, list[Attribute]] = {}
    for one in attributes:
        by_unit.setdefault(one.unit, []).append(one)
    found = []
    for unit in units:
        ours = sorted(by_unit.get(unit.name, ()), key=lambda one: one.name)
        if len(ours) > 1:
            text = f"{' and '.join(one.name for one in ours)} are both for {unit.name}: keep one of them"
            ours = [one.model_copy(update={"fault": Fault.AMBIGUOUS, "text": text}) for one in ours]
        found.extend(ours)
    return found
