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
def nix(tmp_path: Path) -> Callable[[str], str]:
    """A program that says these settings, in the words of 2.8."""

    def made(settings: str) -> str:
        program = tmp_path / "nix"
        program.write_text(f"#!/bin/sh\ncase $* in *show-config*) cat <<'END'\n{settings}\nEND\n;; esac\n", encoding="utf-8")
        program.chmod(0o755)
        return str(program)

    return made


async def test_what_nothing_builds_is_said_with_the_ways_out(nix: Callable[[str], str], tmp_path: Path) -> None:
    runner = LocalRunner(Secrets())
    machines = tmp_path / "machines"
    machines.write_text("# ours\nssh://pi aarch64-linux /root/key\n", encoding="utf-8")
    alone = nix("builders = \nextra-platforms = i686-linux\nsystem = x86_64-linux")
    why, ways = await why_not(runner, alone, "aarch64-linux")
    assert "nothing here builds for aarch64-linux: this workstation is x86_64-linux" in why
    assert "--build-on unit" in ways
    assert await why_not(runner, alone, "i686-linux") == ("", "")
    assert await why_not(runner, alone, "x86_64-linux") == ("", "")
    with_pi = nix(f"builders = @{machines}\nsystem = x86_64-linux")
    assert await why_not(runner, with_pi, "aarch64-linux") == ("", "")
    assert (await why_not(runner, with_pi, "riscv64-linux"))[0]
    assert await why_not(runner, str(tmp_path / "none"), "aarch64-linux") == ("", "")
