"""The demo's docker: templates, Compose files and Compose's rules, without a process."""

from pathlib import Path

import pytest

from clavel_tui.demo.engine import compose, containers, docker
from clavel_tui.demo.engine.files import Project, parse
from clavel_tui.demo.engine.store import EngineError, Store, load_json, to_json, write_state
from clavel_tui.demo.engine.template import render

FILE = """\
# a comment
name: shop
services:
  db:
    image: "registry.demo/db:${DB:-1}"
    volumes:
    - ./data:/data
  app:
    image: registry.demo/app:stable   # moves
    depends_on: [db]
    volumes:
      - ./conf:/conf:ro
    healthcheck: {}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    root = tmp_path / "unit"
    (root / "var/lib/docker").mkdir(parents=True)
    registry = {"registry.demo/db:1": {"version": "1.0"}, "registry.demo/app:stable": {"version": "1.0"}}
    (tmp_path / "registry.json").write_text(to_json(registry))
    state = {"version": "28", "compose": "2", "arch": "amd64", "images": {}, "tags": {}, "containers": {}}
    write_state(str(root / "var/lib/docker/engine.json"), state)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/compose.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setattr(compose, "PACE_S", 0.0)
    monkeypatch.setattr(compose.told, "__defaults__", (0.0,))
    return Store(str(root))


def run(store: Store, *words: str) -> None:
    compose.main(store, list(words))


def ids(store: Store) -> dict[str, str]:
    return {c["name"]: ident for ident, c in store.containers.items()}


def test_json_goes_there_and_back() -> None:
    value = {"a": ['x\ty\n"z"\\', 1, 1.5, True, None, {"b": "ü\x01"}]}
    assert load_json(to_json(value)) == value
    assert to_json(["a", 1]) == '["a",1]'


def test_templates() -> None:
    value = {
        "Name": "/a",
        "Health": None,
        "Labels": {"k": "v"},
        "Mounts": [{"RW": True, "Type": "bind"}, {"RW": False, "Type": "bind"}],
    }
    assert render('{{json .Name}}\t{{index .Labels "k"}}{{index .Labels "x"}}', value) == '"/a"\tv'
    assert render("{{if .Health}}{{.Health.Status}}{{else}}-{{end}}", value) == "-"
    assert render('{{or .Health "no"}}', value) == "no"
    assert render('{{range .Mounts}}{{if and .RW (eq .Type "bind")}}{{println .Type}}{{end}}{{end}}', value) == "bind\n"
    with pytest.raises(EngineError, match="can't evaluate field Nope"):
        render("{{.Nope}}", value)


def test_a_project_is_what_its_file_says(store: Store, tmp_path: Path) -> None:
    project = Project(str(tmp_path / "shop"), [], {"DB": "2"})
    assert project.name == "shop"
    assert project.services["db"]["image"] == "registry.demo/db:2"
    assert project.services["app"]["depends_on"] == ["db"]
    assert project.config().startswith("name: shop\nservices:\n  app:\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("services:\n  a:\n\timage: x\n", "line 3: found character"),
        ("services:\n  a:\n    image x\n", "line 3: could not find expected ':'"),
        ("services:\n  a: x\n    b: y\n", "line 3: mapping values"),
        ('services:\n  a:\n    image: "x\n', "line 3: found unexpected end"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(EngineError, match=complaint):
        parse(text)


def test_a_service_without_an_image_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "shop/compose.yaml").write_text("services:\n  a:\n    restart: always\n")
    with pytest.raises(EngineError, match="neither an image nor a build context"):
        run(store, "config", "--quiet")


def test_up_recreates_only_what_changed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"No such image: registry\.demo/db:1"):
        run(store, "up", "-d", "--no-build", "--pull", "never")
    run(store, "pull", "--ignore-buildable")
    run(store, "up", "-d", "--no-build", "--pull", "never", "--remove-orphans")
    first = ids(store)
    assert set(first) == {"shop-db-1", "shop-app-1"}
    run(store, "up", "-d")
    assert ids(store) == first

    (tmp_path / "registry.json").write_text(
        to_json({"registry.demo/app:stable": {"version": "2.0"}, "registry.demo/db:1": {"version": "1.0"}})
    )
    run(store, "pull")
    run(store, "up", "-d")
    assert ids(store)["shop-db-1"] == first["shop-db-1"]
    assert ids(store)["shop-app-1"] != first["shop-app-1"]

    (tmp_path / "shop/compose.yaml").write_text(FILE.partition("  app:")[0])
    run(store, "up", "-d", "--remove-orphans")
    assert ids(store) == {"shop-db-1": first["shop-db-1"]}


def test_health_follows_from_the_image_and_the_time() -> None:
    container = {"started": 100.0, "ended": 0.0, "code": 0, "health": True}
    good, bad = {"health": "good", "oneshot": False}, {"health": "bad", "oneshot": False}
    assert containers.status(container, good, 100.5) == ("running", "starting", 0)
    assert containers.status(container, good, 103.0) == ("running", "healthy", 0)
    assert containers.status(container, bad, 103.0) == ("running", "unhealthy", 0)
    assert containers.status({**container, "health": False}, {"health": "good", "oneshot": True}, 103.0) == ("exited", "", 0)


def test_an_image_that_a_container_uses_stays(store: Store) -> None:
    run(store, "pull")
    docker.create(store, ["--name", "keep", "--network", "none", "registry.demo/db:1", "/never"])
    with pytest.raises(EngineError, match="conflict"):
        docker.rmi(store, ["registry.demo/db:1"])
    docker.rm(store, ["-v", "keep"])
    docker.rmi(store, ["registry.demo/db:1"])
    assert store.image_id("registry.demo/db:1") is None
