"""What a refused copy means, in the words of both ends and of both versions."""

import pytest

from clavel_tui.nix import NixError
from clavel_tui.nix.workshop import explained, store_url
from clavel_tui.remote.target import Target

OLD = ("error: cannot add path '/nix/store/x-a' because it lacks a valid signature", "error: unexpected end-of-file")
NEW = ("error: cannot add path '/nix/store/x-a' because it lacks a signature by a trusted key", "error: unexpected end-of-file")


@pytest.mark.parametrize("said", [OLD, NEW])
def test_an_unsigned_path_is_explained_with_the_ways_out(said: tuple[str, ...]) -> None:
    error = explained(NixError("nix copy failed: unexpected end-of-file"), said, Target("web", "web", user="deploy"))
    assert error.text == "web takes no unsigned paths from deploy"
    assert all(word in error.hint for word in ("elevate", "trusted-users", "signing_key"))


def test_a_full_disk_is_named_and_anything_else_is_left_as_it_was() -> None:
    full = explained(NixError("x"), ["error: writing to file: No space left on device"], Target("web", "web"))
    assert full.text == "the disk of web is full"
    other = NixError("nix copy failed: broken pipe")
    assert explained(other, ["error: writing to file: Broken pipe"], Target("web", "web")) is other


def test_the_store_is_addressed_as_the_login_needs_it() -> None:
    assert store_url(Target("web", "web.example"), "nixos") == "ssh://web.example?compress=true&remote-program=nix-store"
    ada = Target("web", "web.example", user="ada", elevate="sudo")
    assert store_url(ada, "nixos") == "ssh://ada@web.example?compress=true&remote-program=sudo%20-n%20-H%20nix-store"
    assert "profiles/default/bin/nix-store" in store_url(Target("mac", "mac"), "darwin")
