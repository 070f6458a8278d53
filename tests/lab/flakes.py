"""Real Nix, in the lab's two versions, on flakes of our own: what `nix` is called for is counted, and nothing is left behind."""

import shutil
import subprocess
from pathlib import Path

from .plan import TRIXIE_TREE

VERSIONS = ("2.8.0", "2.26.3")
"""Of Debian 12, and of Debian 13."""

COMMON = """\
  mk = name: text: {
    config.system.build.toplevel = derivation {
      name = "nixos-system-${name}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo ${text} > $out" ];
    };
  };
"""
GOOD = ("amber", "beryl", "coral", "flint", "jasper", "onyx", "opal")


def nix(version: str, folder: Path) -> Path:
    """A `nix` that writes down what it is called for, with a store and a cache of its own below the folder."""
    real = "/usr/bin/nix"
    if version != VERSIONS[0]:
        tree = TRIXIE_TREE
        libraries = f"{tree}/usr/lib/x86_64-linux-gnu:{tree}/lib/x86_64-linux-gnu"
        real = f"{tree}/lib64/ld-linux-x86-64.so.2 --library-path {libraries} --argv0 nix {tree}/usr/bin/nix"
    program = folder / f"nix-{version}"
    lines = ("#!/bin/sh", f'echo "$*" | tr "\\n" " " >>{folder}/asked; echo >>{folder}/asked',
             "export NIX_CONFIG='build-users-group ='",  # else root's Nix warns where there is a /nix, and no group nixbld
             f"export XDG_CACHE_HOME={folder}/cache", f'exec {real} --store {folder}/store "$@"')  # fmt: skip
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    return program


def processes(folder: Path) -> dict[str, int]:
    """How often each kind of `nix` was started."""
    file = folder / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    kinds = {"eval": " eval ", "metadata": " flake metadata "}
    return {kind: sum(word in f" {line} " for line in lines) for kind, word in kinds.items()}


def flake(folder: Path, units: dict[str, str], *, let: str = "", before: str = "", inputs: str = "", commit: bool = True) -> Path:
    """A flake of these nixosConfigurations (an expression each), in a git repository."""
    folder.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f'    nixosConfigurations."{name}" = {text};' for name, text in units.items())
    arguments = "{ self, ... }"
    text = f"{{\n{before}\n{inputs}\n  outputs = {arguments}: let\n{COMMON}{let}\n  in {{\n{body}\n  }};\n}}\n"
    (folder / "flake.nix").write_text(text)
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", "-A")
    if commit:
        git(folder, "-c", "user.name=lab", "-c", "user.email=lab@example.org", "commit", "-q", "--allow-empty", "-m", "lab")
    return folder


def good(name: str, text: str = "1") -> str:
    """A configuration that evaluates."""
    return f'mk "{name}" "{text}"'


def git(folder: Path, *words: str) -> str:
    """Git in that folder."""
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout


def forget(folder: Path) -> None:
    """A store's files are read-only, also its folders."""
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
