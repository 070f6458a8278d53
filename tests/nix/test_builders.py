"""Who builds for which system, as nix.conf and its file of machines say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clavel_tui.nix.builders import platforms, why_not
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets


def test_each_builder_has_its_systems_and_one_that_names_none_has_nothing_new() -> None:
    said = platforms(
        [
            "system x86_64-linux",
            "extra-platforms i686-linux x86_64-v1-linux",
            "builder ssh://pi aarch64-linux,armv7l-linux /root/key 2",
            "builder ssh://other -",
            "builder ",
        ]
    )
    assert said["ssh://pi"] == {"aarch64-linux", "armv7l-linux"}
    assert said["ssh://other"] == frozenset()
    assert said["extra-platforms"] == {"i686-linux", "x86_64-v1-linux"}


@pytest.fixture
def nix(tmp_path: Path) -> Callable[..., str]:
    """A program that says these settings, in the words of 2.8, and nix-store beside it."""

    def made(settings: str, system: str, todo: str = "this derivation will be built:") -> str:
        store = f"case $* in *--dry-run*) echo '{todo}' >&2 ;; *--binding*) echo {system} ;; esac"
        for name, text in {"nix": f"case $* in *show-config*) cat <<'END'\n{settings}\nEND\n;; esac", "nix-store": store}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        return str(tmp_path / "nix")

    return made


ALONE = "builders = \nextra-platforms = i686-linux\nsystem = x86_64-linux"


async def test_what_nothing_builds_is_said_with_the_ways_out(nix: Callable[..., str]) -> None:
    why, ways = await why_not(LocalRunner(Secrets()), nix(ALONE, "aarch64-linux"), "/nix/store/x.drv")
    assert "nothing here builds for aarch64-linux: this workstation is x86_64-linux" in why
    assert "--build-on unit" in ways


@pytest.mark.parametrize("system", ["x86_64-linux", "i686-linux", "builtin"])
async def test_what_is_built_here_is_no_trouble(nix: Callable[..., str], system: str) -> None:
    """Cross-compiled for a Pi it is a derivation of this very system."""
    assert await why_not(LocalRunner(Secrets()), nix(ALONE, system), "/nix/store/x.drv") == ("", "")


async def test_what_a_cache_has_needs_no_builder(nix: Callable[..., str]) -> None:
    program = nix(ALONE, "aarch64-linux", "these 3 paths will be fetched")
    assert await why_not(LocalRunner(Secrets()), program, "/nix/store/x.drv") == ("", "")


async def test_builders_are_read_from_the_file_of_machines(nix: Callable[..., str], tmp_path: Path) -> None:
    machines = tmp_path / "machines"
    machines.write_text("# ours\nssh://pi aarch64-linux /root/key\n", encoding="utf-8")
    settings = f"builders = @{machines}\nsystem = x86_64-linux"
    assert await why_not(LocalRunner(Secrets()), nix(settings, "aarch64-linux"), "/nix/store/x.drv") == ("", "")
    assert (await why_not(LocalRunner(Secrets()), nix(settings, "riscv64-linux"), "/nix/store/x.drv"))[0]
    assert await why_not(LocalRunner(Secrets()), str(tmp_path / "none/nix"), "/nix/store/x.drv") == ("", "")
