"""What runs is not what should run, with the difference."""

import pytest

from clavel_tui.domain.deployment import Head
from clavel_tui.domain.drift import drifts
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.release import Held

from .build import container, facts, image, stack, state, unit

FILES = ("file 1 ./compose.yaml", "file 2 ./.env")


def found(seen: Facts | None, wanted: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(d.code, d.text) for d in drifts(unit(stacks=(stack(),)), seen, {"web": wanted})]


def test_none() -> None:
    assert found(None, FILES) == []
    assert found(facts(container(), stacks=(state(files=FILES[::-1]),)), FILES) == []


def test_declared_and_not_running() -> None:
    assert found(facts(), FILES) == [("not-running", "web is declared and does not run")]


def test_nothing_is_said_of_what_could_not_be_seen() -> None:
    for docker in ("", "missing", "silent"):
        assert found(facts(docker=docker), FILES) == []


def test_a_stack_that_nobody_declared_does_not_drift() -> None:
    assert found(facts(container(), container("x", project="other", working_dir="/x"))) == []


def test_files_differ_are_missing_or_are_too_many() -> None:
    there = ("file 9 ./.env", "file 1 ./compose.yaml", "file 3 ./extra", "dir - ./conf")
    seen = facts(container(), stacks=(state(files=there),))
    assert found(seen, FILES) == [("files", "files of web differ from the repository: .env, conf, extra")]
    many = tuple(f"file 1 ./f{n}" for n in range(9))
    assert found(seen, (*there, *many)) == [("files", "files of web differ from the repository: f0, f1, f2, f3")]


def test_a_name_with_blanks_is_named_whole() -> None:
    seen = facts(container(), stacks=(state(files=("file 1 ./a b  c",)),))
    assert found(seen, ("file 2 ./a b  c",)) == [("files", "files of web differ from the repository: a b  c")]


def test_put_there_by_somebody_else() -> None:
    assert found(facts(container()), FILES) == [("unmanaged", "web was not put there by clavel-tui: its files are not compared")]


def test_held() -> None:
    seen = facts(container(), stacks=(state(files=FILES, held=Held(release="3f9c2a1b")),))
    assert found(seen, FILES) == [("held", "web is HELD at release 3f9c2a1b")]


def test_a_container_of_another_image_than_its_tag_names() -> None:
    images = (image("sha256:one", "app:old"), image("sha256:two", "app:latest", "app:v2"))
    seen = facts(container(), container("db", "sha256:db", ref="db@sha256:5"), images=images)
    assert found(seen) == [("image", "web/app does not run the image that app:latest names here")]


def test_a_system_that_is_not_the_profiles_one_or_waits_for_a_reboot() -> None:
    a, b = "/nix/store/a-nixos", "/nix/store/b-nixos"
    seen = facts(container(), current=a, booted=b, profile=b, reboot_due=("kernel", "initrd"))
    assert [code for code, _ in found(seen)] == ["profile", "booted"]
    assert found(facts(container(), current=a, booted=b, profile=a)) == []  # any switch without a reboot
    assert found(facts(container(), current=a)) == []


def path(text: str) -> str:
    return f"/nix/store/{text * 32}-nixos-system-pi-25.11"


def head(*texts: str) -> Head:
    past = tuple((f"pi@{text * 8}", path(text)) for text in texts)
    return Head(name="pi", short=past[-1][0], nar_id=past[-1][1], at=1.0, past=past)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ("c", ""),
        ("b", "1 evaluation behind: runs pi@bbbbbbbb, should run pi@cccccccc"),
        ("a", "2 evaluations behind: runs pi@aaaaaaaa, should run pi@cccccccc"),
        ("x", "runs nixos-system-pi-25.11, which was never evaluated here; should run pi@cccccccc"),
    ],
)
def test_how_far_behind_what_was_evaluated(runs: str, words: str) -> None:
    found = [d.text for d in drifts(unit(), facts(current=path(runs)), {}, head("a", "b", "c")) if d.code == "deployment"]
    assert found == ([words] if words else [])


def test_the_same_closure_of_a_newer_source_is_no_drift() -> None:
    assert not [d for d in drifts(unit(), facts(current=path("a")), {}, head("a", "b", "a")) if d.code == "deployment"]
