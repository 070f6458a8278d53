"""What runs is not what should run, with the difference."""

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


def test_a_system_that_is_neither_the_booted_nor_the_profiles_one() -> None:
    a, b = "/nix/store/a-nixos", "/nix/store/b-nixos"
    seen = facts(container(), current=a, booted=b, profile=b)
    assert [code for code, _ in found(seen)] == ["profile", "booted"]
    assert found(facts(container(), current=a, booted=a, profile=a)) == []
    assert found(facts(container(), current=a)) == []
