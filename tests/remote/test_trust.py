"""known_hosts is the user's own file: what stands in it stays as it is."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.trust import KnownHosts, SshFiles, append_host_key, first_contact


def entry(name: str) -> str:
    return f"{name} {asyncssh.generate_private_key('ssh-ed25519').export_public_key().decode().strip()}"


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_first_contact_gets_a_line_of_its_own(tmp_path: Path, end: str) -> None:
    file = tmp_path / "ssh/known_hosts"
    file.parent.mkdir()
    file.write_text(entry("hosta") + end)
    files = SshFiles(known_hosts=file)
    append_host_key(files, entry("hostb"))
    append_host_key(files, entry("hostc"))
    assert len(file.read_text().splitlines()) == 3
    assert all(KnownHosts(files).knows(name, "", 22) for name in ("hosta", "hostb", "hostc"))


def test_the_first_of_all(tmp_path: Path) -> None:
    files = SshFiles(known_hosts=tmp_path / "new/known_hosts")
    assert append_host_key(files, entry("hosta")) == str(tmp_path / "new/known_hosts")
    assert KnownHosts(files).knows("hosta", "", 22)


async def test_an_ssh_config_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('Match exec "\n')
    with pytest.raises(RemoteError, match="did not show a host key"):
        await first_contact("127.0.0.1", 1, SshFiles(config=(config,)))
