"""Makes the fixtures anew, from real Nix in the lab's two versions: `python -m tests.nix.capture`, as root on Debian."""

import asyncio
import re
import tempfile
from pathlib import Path

from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.nix import Evaluator, NixError
from clavel_tui.remote.effects import OnLine, Query, Result
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target
from tests.lab import flakes
from tests.lab.setup import ensure

FIXTURES = Path(__file__).parent / "fixtures"
BROKEN = {
    "thrown": "throw \"The option `services.fancy' does not exist. Definition values:\\n- In `hosts/a/default.nix': true\"",
    "build": 'mk (import (derivation { name = "gen"; system = "x86_64-linux"; builder = "/bin/sh"; })) "1"',
    "recursion": "let x = x; in x",
    "overflow": "let f = n: 1 + f (n + 1); in f 0",
    "memory": "builtins.deepSeq (builtins.genList (x: builtins.genList (y: x + y) 100000) 100000) 1",
    "missing": "{ config.system.build = { }; }",
    "type": "1 + {}",
    "good": 'builtins.trace "warning: this option is old" (mk "good" "1")',
}


class Keeping(LocalRunner):
    """Keeps the lines that an evaluator says."""

    def __init__(self) -> None:
        super().__init__(Secrets())
        self.lines: list[str] = []
        self.code = 0

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        def both(line: str) -> None:
            self.lines.append(line)
            if on_line:
                on_line(line)

        result = await super().query(target, query, both)
        self.code = result.code
        return result


async def capture(version: str, folder: Path) -> None:
    program = str(flakes.nix(version, folder))
    for name, text in BROKEN.items():
        source = flakes.flake(folder / name, {name: text})
        runner = Keeping()
        evaluator = Evaluator(runner, program, 1500)
        lock = await evaluator.lock(str(source))
        runner.lines.clear()
        await evaluator.extract(lock, [unit(name)])
        keep(version, name, folder, runner)
    for name, url in {"nowhere": "/nowhere", "lock": str(unlocked(folder)), "fetch": "github:nobody/nothing"}.items():
        runner = Keeping()
        try:
            await Evaluator(runner, program).lock(url)
        except NixError:
            keep(version, name, folder, runner)
    syntax = folder / "syntax"
    flakes.flake(syntax, {})
    (syntax / "flake.nix").write_text("{ outputs = { self }: { a = ; }; }\n")
    runner = Keeping()
    try:
        await Evaluator(runner, program).lock(str(syntax))
    except NixError:
        keep(version, "syntax", folder, runner)


def unit(name: str) -> Unit:
    return Unit(name=name, type=UnitType.NIXOS, arch="x86_64-linux", address="x")


def unlocked(folder: Path) -> Path:
    other = flakes.flake(folder / "other", {})
    return flakes.flake(folder / "unlocked", {}, inputs=f'inputs.other.url = "git+file://{other}";')


def keep(version: str, name: str, folder: Path, runner: Keeping) -> None:
    file = FIXTURES / version / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([str(runner.code), *runner.lines]).replace(str(folder), "/folder")
    file.write_text(re.sub(r"[0-9a-f]{40}", "0" * 40, text) + "\n")


def main() -> None:
    ensure("trixie")
    for version in flakes.VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(capture(version, Path(folder)))
            flakes.forget(Path(folder) / "store")


if __name__ == "__main__":
    main()
