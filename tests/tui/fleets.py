"""Fleets to look at: empty, one unit, eleven, a thousand, everything down, long and odd names."""

from __future__ import annotations

from clavel_tui.domain.agent import Agent, AgentSpecification, AgentState, Phase, Said
from clavel_tui.domain.closure import ClosureDiff, PackageChange
from clavel_tui.domain.deployment import Deployment, Head, Recorded, Specification, Template, full_name
from clavel_tui.domain.drift import drifts
from clavel_tui.domain.facts import Container, Disk, Facts, StackState
from clavel_tui.domain.health import judge, worse
from clavel_tui.domain.operation import Operation, Origin, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.release import Held, Release, ServiceImage
from clavel_tui.domain.source import Attribute, Evaluation, Fault, Listing, Lock, Source
from clavel_tui.domain.stackview import stack_views
from clavel_tui.domain.system import ServiceChange, SystemPlan, SystemRecord
from clavel_tui.domain.unit import Expected, Stack, Unit, UnitType
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, RolloutState, RolloutUnit, SourceState, UnitState
from tests.history.test_agents import report

NOW = 1_750_000_000.0
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def release(ident: str, image: str, seq: int, health: str = "healthy") -> Release:
    service = ServiceImage(service="app", image=image, ref="registry.example/app:latest")
    return Release(id=ident, project="web", services=(service,), seq=seq, health=health)


def unit(
    name: str, *, kind: UnitType = UnitType.NIXOS, stacks: tuple[str, ...] = (), tags: tuple[str, ...] = (), away: bool = False
) -> Unit:
    return Unit(
        name=name,
        type=kind,
        arch="x86_64-linux",
        address=f"{name}.example",
        tags=tags,
        stacks=tuple(Stack(name=s, path=f"/srv/{s}", source=f"/repo/{s}") for s in stacks),
        expected=Expected.SOMETIMES if away else Expected.ALWAYS,
    )


def facts(of: Unit, *, health: str = "healthy", disk: int = 40, held: bool = False, age: float = 3.0, **more: object) -> Facts:
    containers = tuple(
        Container(
            project=s.name,
            service="app",
            id="c" * 64,
            image=TWO,
            state="running",
            health=health,
            ref="registry.example/app:latest",
            working_dir=s.path,
        )
        for s in of.stacks
    )
    releases = (release("aaaa00001111", ONE, 1), release("bbbb00002222", TWO, 2))
    states = tuple(
        StackState(name=s.name, releases=releases, held=Held(release="bbbb00002222", operator="ada@desk") if held else None)
        for s in of.stacks
    )
    found = {
        "unit": of.name, "at": NOW - age, "took": 0.2, "os": "NixOS 25.05 (Warbler)", "kernel": "Linux 6.12.30", "uptime": 400_000.0,
        "load": (0.42, 0.3, 0.2), "cpus": 4, "mem_total_kib": 8_000_000, "mem_free_kib": 5_000_000, "docker": "26.1.5", "compose": "2.26.1",
        "disks": (Disk(at="/", size=100_000_000, used=disk * 1_000_000, free=(100 - disk) * 1_000_000),), "containers": containers,
        "image_ids": (ONE, TWO), "stacks": states, "state": "present",
    }  # fmt: skip
    return Facts.model_validate({**found, **more})


def seen(of: Unit, what: Facts | None, trouble: str = "", hint: str = "") -> UnitState:
    return UnitState(unit=of, facts=what, trouble=trouble, hint=hint, health=judge(of, what, trouble), drift=drifts(of, what, {}),
                     stacks=stack_views(of, what))  # fmt: skip


def fleet(*units: UnitState, operations: tuple[Operation, ...] = ()) -> FleetState:
    return FleetState(name="vanixiets", units=units, operations=operations)


def operation(outcome: Outcome | None = None, *, text: str = "", step: str = "pull", stack: str = "web") -> Operation:
    return Operation(
        id="0123456789abcdef", request=Request(unit="cinnabar", stack=stack, verb=Verb.UPDATE), text=text, step=step, outcome=outcome,
        state=State.SETTLED if outcome else State.RUNNING, origin=Origin(operator="ada", host="desk"), started=NOW - 14,
        came_from="aaaa00001111",
    )  # fmt: skip


def one() -> FleetState:
    alone = unit("cinnabar", stacks=("web",), tags=("hetzner",))
    return fleet(seen(alone, facts(alone)))


def eleven() -> FleetState:
    cinnabar, electrum = unit("cinnabar", stacks=("web", "zerotier"), tags=("hetzner",)), unit("electrum", stacks=("uptime",))
    galena, scheelite = unit("galena", stacks=("batch",)), unit("scheelite", stacks=("inference",))
    laptops = [
        unit(n, kind=UnitType.DARWIN, tags=("laptop",), away=True) for n in ("stibnite", "blackphos", "rosegold", "argentum")
    ]
    pis = [unit(f"rpi-box-0{n}", stacks=("metrics",), tags=("pi",)) for n in (1, 2, 3)]
    quiet = {"docker": "missing", "os": "macOS 15.5"}
    return fleet(
        seen(cinnabar, facts(cinnabar)), seen(electrum, facts(electrum, health="unhealthy")), seen(galena, facts(galena, held=True)),
        seen(scheelite, None, "scheelite (scheelite.example) did not answer within 10 s", "is it on, and does the network reach it?"),
        *(seen(u, facts(u, **quiet)) for u in laptops[:3]),  # type: ignore[arg-type]
        seen(laptops[3], facts(laptops[3], age=40_000, **quiet), "argentum refuses connections to its SSH port"),  # type: ignore[arg-type]
        seen(pis[0], facts(pis[0])), seen(pis[1], facts(pis[1], disk=91, throttled="throttled=0x50005")), seen(pis[2], facts(pis[2])),
        operations=(operation(),),
    )  # fmt: skip


def thousand() -> FleetState:
    units = [unit(f"node-{n:04}", stacks=("web",) if n % 3 else ()) for n in range(1000)]
    return fleet(*(seen(u, facts(u, disk=97 if n == 500 else 30)) for n, u in enumerate(units)))


def all_down() -> FleetState:
    units = [unit(n, stacks=("web",)) for n in ("cinnabar", "electrum", "galena")]
    return fleet(*(seen(u, facts(u, age=7200), f"{u.name} ({u.address}) did not answer within 10 s", "is it on?") for u in units))


def odd() -> FleetState:
    """Names of sixty letters, a wide script, and remote text that tries to break the screen."""
    long, short = unit("a" + "long-name" * 6 + "-end", stacks=("web",)), unit("tiny")
    evil = "[bold red]not markup[/] \x1b[31mred\x1b[0m 日本語のシステム " + "x" * 300
    return fleet(
        seen(long, facts(long, os="NixOS 日本語 25.05", failed_units=("[b]evil[/b].service",))),
        seen(short, facts(short, os=evil)),
    )


def agent(name: str, phase: Phase | None = Phase.IDLE, *, ago: float = 5.0, refused: str = "", **said: object) -> AgentState:
    """The agent of the unit of that name, which has reported so; ``ago`` 0: it was never heard of."""
    reports = (Said(seq=1, received=1, report=report(1, agent=name, name=name, phase=phase, **said)),) if phase else ()
    at = NOW - ago
    return AgentState(
        agent=Agent(name=name, specification=AgentSpecification(deployments=(name,))),
        seen=at if ago else 0.0, next_poll=at + 60 if ago else 0.0, reports=reports, refused=refused,
    )  # fmt: skip


def pulling() -> FleetState:
    """Agents in every way that they can be, seen through a claveld that has just gone away."""
    said = (
        {}, {"phase": Phase.APPLYING}, {"phase": Phase.HELD, "text": "held by ada on the unit: until Monday"},
        {"phase": Phase.QUARANTINED, "text": "nobody reached this unit within 60 s: it went back"},
        {"phase": Phase.FAILED, "text": "/nix/store/" + "a" * 32 + "-nixos-system is in none of https://cache.example.org"},
        {"refused": "its token has ended; asked from 203.0.113.7"}, {"ago": 4000.0}, {"phase": None}, {"phase": None, "ago": 0.0},
    )  # fmt: skip
    units = []
    for state, how in zip(eleven().units, (*said, {}, {}), strict=True):
        of = agent(state.unit.name, **how)  # type: ignore[arg-type]
        units.append(state.model_copy(update={"agent": of, "health": worse(state.health, of.reason)}))
    return fleet(*units).model_copy(
        update={
            "through": "ops.example.org:8420",
            "claveld": "https://ops.example.org:8420 cannot be reached: timed out",
        }
    )


# ---- what was evaluated

SOURCE = Source(name="fleet", url="/repository")
LOCK = Lock(url="git+file:///repository?rev=1234", nar_hash="sha256-abc", revision="1234567890abcdef", nix="2.31.2")


def path(name: str, number: int) -> str:
    return f"/nix/store/{str(number) * 32}-nixos-system-{name}-25.11"


def deployment(name: str, number: int) -> Deployment:
    template = Template(
        nar_id=path(name, number), substituters=("https://cache.example.org",), metadata={"system": "x86_64-linux"}
    )
    return Deployment.of(Specification(unit=name, template=template), SOURCE.url, f"sha256-{number}")


def recorded(name: str, number: int, *, days: float, dirty: bool = False) -> Recorded:
    one = deployment(name, number)
    short = full_name(name, one.id)
    return Recorded(
        deployment=one,
        short=short,
        at=NOW - days * 86400,
        operator="ada",
        url=LOCK.url,
        revision="" if dirty else "1234567890",
        dirty=dirty,
    )


def system(name: str, number: int, verdict: str, *, days: float) -> SystemRecord:
    """A line of what the unit remembers."""
    short = full_name(name, deployment(name, number).id)
    return SystemRecord(
        at=NOW - days * 86400, verdict=verdict, path=path(name, number), label=short, revision="1234567890", operator="ada@desk"
    )


def system_plan(name: str, *, built: bool = True) -> SystemPlan:
    """What a deployment of that unit would change."""
    number = 3
    plan = SystemPlan(
        nar_id=path(name, number), label=full_name(name, deployment(name, number).id), current=path(name, 1),
        profile=path(name, 1), drv="/nix/store/x.drv", build=not built, confirm_seconds=60,
    )  # fmt: skip
    if not built:
        return plan
    changes = (
        PackageChange(name="linux", before=("6.6.1",), after=("6.6.9",), size=120_000),
        PackageChange(name="etc", size=-9_000),
        PackageChange(name="htop", after=("3.3.0",), size=400_000),
        PackageChange(name="nano", before=("7.2",), size=-2_400_000),
    )
    services = (ServiceChange(verb="restart", name="nginx.service"), ServiceChange(verb="start", name="htop.service"))
    diff = ClosureDiff(changes=changes, size_before=1_800_000_000, size_after=1_798_111_000)
    return plan.model_copy(update={"diff": diff, "services": services, "dry": True, "reboot": "another kernel"})


def evaluated(name: str = "cinnabar", runs: int = 1, should: int = 3) -> UnitState:
    """A unit that is some evaluations behind."""
    one = unit(name, stacks=("web",), tags=("hetzner",))
    past = tuple((full_name(name, deployment(name, n).id), path(name, n)) for n in range(1, should + 1))
    head = Head(name=name, short=past[-1][0], nar_id=past[-1][1], at=NOW - 86400, past=past)
    what = facts(
        one,
        current=path(name, runs),
        profile=path(name, runs),
        health="unhealthy",
        generations=((41, path(name, 0)), (42, path(name, runs))),
        rooted=(path(name, 0), path(name, runs)),
        systems=(system(name, 0, "good", days=9), system(name, 2, "returned", days=4), system(name, runs, "good", days=6)),
    )
    state = seen(one, what)
    return state.model_copy(update={"head": head, "drift": drifts(one, what, {}, head)})


def source_state(*, failed: bool = True) -> SourceState:
    good = Attribute(name="nixosConfigurations.cinnabar", unit="cinnabar", nar_id=path("cinnabar", 3))
    bad = Attribute(
        name="nixosConfigurations.galena",
        unit="galena",
        fault=Fault.EVALUATION,
        text="attribute 'foo' missing (hosts/galena/default.nix:3:7)",
    )
    listing = Listing(attributes=(good.name, bad.name, "nixosConfigurations.galena-sd"))
    evaluation = Evaluation(
        source=SOURCE, lock=LOCK, listing=listing, attributes=(good, bad) if failed else (good,), warnings=("an option is old",)
    )
    return SourceState(source=SOURCE, at=NOW - 7200, evaluation=evaluation)


def rolled_out(step: str = "watching before wave 3 of 4, 60 s") -> RolloutState:
    """Eight units, the third of which went bad and returned; nothing of the later waves has begun."""
    ends = {0: Outcome.SUCCEEDED, 1: Outcome.NO_CHANGE, 2: Outcome.RETURNED}
    names = ("cinnabar", "electrum", "galena", "scheelite", "rpi-box-01", "rpi-box-02", "rpi-box-03", "rpi-box-04")
    units = []
    for n, name in enumerate(names):
        request = Request(unit=name, stack="", verb=Verb.DEPLOY)
        text = {0: "nixos-system-25.11 runs, and comes up at the next boot", 2: "the check `tcp 443` does not hold: it is back"}
        done = operation(ends.get(n), text=text.get(n, ""), step="activate").model_copy(update={"request": request})
        wave = (0, 1, 1, 1, 2, 2, 2, 3)[n] + 1
        failure = f"returned by itself: {text[2]}" if n == 2 else ""
        units.append(RolloutUnit(wave=wave, request=request, operation=done if n < 4 else None, failure=failure))
    return RolloutState(operation=rollout(step), settings=RolloutSettings(), units=tuple(units))


def rollout(step: str) -> Operation:
    """The operation whose children these are."""
    request = Request(unit="", stack="", verb=Verb.ROLLOUT, release="deploy 8 units in 4 waves")
    return operation(step=step).model_copy(update={"request": request, "came_from": ""})
