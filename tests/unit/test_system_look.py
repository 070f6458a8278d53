"""What a preview reads of a closure that lies on the unit."""

import shutil
import subprocess
from pathlib import Path

import pytest

from clavel_tui.nix.system_look import look_text

from .supervisor import SHELLS

OLD, NEW = "/nix/store/a-old", "/nix/store/b-new"


def closure(root: Path, path: str, *parts: str) -> None:
    folder = root / path[1:]
    folder.mkdir(parents=True)
    for part in parts:
        name, _, version = part.partition("=")
        (folder / name).symlink_to(f"/nix/store/{version}-{name}")


def seen(root: Path, shell: str) -> list[str]:
    if not shutil.which(SHELLS[shell][0]):
        pytest.skip(f"this machine has no {shell}")
    words = [*SHELLS[shell], "-c", look_text(), "clavel", NEW]
    return subprocess.run(
        words, env={"CLAVEL_ROOT": str(root), "PATH": "/usr/bin:/bin"}, check=True, capture_output=True, text=True
    ).stdout.splitlines()


@pytest.mark.parametrize("shell", sorted(SHELLS))
@pytest.mark.parametrize(
    ("parts", "due"),
    [
        (("kernel=6.1", "initrd=1"), []),
        (("kernel=6.2", "initrd=1"), ["due\tkernel"]),
        (("kernel=6.1", "initrd=2"), ["due\tinitrd"]),
        (("kernel=6.1",), ["due\tinitrd"]),
        (("kernel=6.1", "initrd=1", "kernel-modules=6.1"), ["due\tkernel-modules"]),
        ((), []),  # a container's: the kernel is the machine's
    ],
)
def test_parts_that_are_not_those_of_the_boot(tmp_path: Path, shell: str, parts: tuple[str, ...], due: list[str]) -> None:
    closure(tmp_path, OLD, "kernel=6.1", "initrd=1")
    closure(tmp_path, NEW, *parts)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/booted-system").symlink_to(tmp_path / OLD[1:])
    assert seen(tmp_path, shell) == due
