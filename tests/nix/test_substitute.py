"""What Nix says of a path that it would fetch, or could not. Its words are those of Nix 2.8 and 2.26, as they came."""

from __future__ import annotations

import pytest

from clavel_tui.nix.substitute import Offer, parse_offer, refused, words

FOO = "/nix/store/dcqg0jsvjgqnvh7ibxs5ciinmdmh9rnd-foo"
DEP = "/nix/store/xp0dpr9yz5h0fk5c5lpj7zzqjbdh3w8c-dep"
CACHE = "http://cache.example.org"


def test_it_builds_nothing_and_keys_are_added_to_those_that_the_unit_trusts() -> None:
    said = words(FOO, (CACHE, "https://other"), ("a:1", "b:2"))
    assert said[:3] == ("nix-store", "--realise", FOO)
    options = {said[n + 1]: said[n + 2] for n, word in enumerate(said) if word == "--option"}
    assert options["max-jobs"] == "0"
    assert options["require-sigs"] == "true"
    assert options["extra-substituters"] == f"{CACHE} https://other"
    assert options["extra-trusted-public-keys"] == "a:1 b:2"


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        (["this path will be fetched (0.00 MiB download, 0.50 MiB unpacked):", f"  {FOO}"], Offer(1, 1 << 19)),
        (["these 3 paths will be fetched (1.00 MiB download, 2.00 GiB unpacked):", f"  {FOO}", f"  {DEP}"], Offer(3, 2 << 30)),
        (["these 2 paths will be fetched (12.3 KiB download, 40.0 KiB unpacked):", f"  {FOO}"], Offer(2, 40 << 10)),
        (["don't know how to build these paths:", f"  {FOO}"], Offer(missing=(FOO,))),
        (["don't know how to build these paths (may be caused by read-only store access):", f"  {FOO}"], Offer(missing=(FOO,))),
        (
            [
                f"warning: unable to download '{CACHE}/nix-cache-info': Couldn't connect to server (7)",
                "don't know how to build these paths:",
                f"  {FOO}",
            ],
            Offer(missing=(FOO,), away=(CACHE,)),
        ),
        ([], Offer()),
    ],
)  # fmt: skip
def test_what_would_be_fetched(lines: list[str], offer: Offer) -> None:
    assert parse_offer(lines) == offer


@pytest.mark.parametrize(
    "line",
    [
        f"warning: the substitute for '{FOO}' from '{CACHE}' is not signed by any of the keys in 'trusted-public-keys'",
        f"warning: ignoring substitute for '{FOO}' from '{CACHE}', as it's not signed by any of the keys in 'trusted-public-keys'",
    ],
)
def test_a_path_without_the_right_signature_is_named_with_its_cache(line: str) -> None:
    why, hint = refused(FOO, [line, f"error: build of '{FOO}' failed"], (CACHE,))
    assert why == f"{CACHE} has {FOO}, and it is not signed by a key that is trusted for it"
    assert "substituters-public-keys" in hint


def test_what_is_in_no_cache_and_what_it_needs() -> None:
    why, _ = refused(FOO, ["don't know how to build these paths:", f"  {FOO}"], (CACHE,))
    assert why == f"{FOO} is in none of {CACHE}"
    why, _ = refused(FOO, ["don't know how to build these paths:", f"  {DEP}"], (CACHE,))
    assert why == f"{DEP}, which it needs, is in none of {CACHE}"


def test_a_cache_that_is_away_and_words_that_nobody_knows() -> None:
    away = [f"warning: unable to download '{CACHE}/sub/x.narinfo': timeout", "don't know how to build these paths:", f"  {FOO}"]
    assert refused(FOO, away, (CACHE,))[0] == f"{CACHE}/sub did not answer"
    assert refused(FOO, ["error: something else"], (CACHE,)) == ("", "")
