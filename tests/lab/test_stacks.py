"""Stacks are updated and rolled back on real hosts through the command line; every proof is read on the host itself."""

import json

import pytest

from .beside import Scene, beside, scenes
from .host import Host
from .places import FAILED, REFUSED, RETURNED, SUCCEEDED, Place, Places, Shelf, compose, push, service, stack, tagged

__all__ = ["Places", "push", "scenes", "tagged"]
pytestmark = pytest.mark.lab


def logins(host: Host) -> int:
    """How many connections the host's sshd has let in."""
    log = "journalctl -u ssh -o cat" if host.plan.systemd else "cat /var/log/sshd.log"
    return host.exec(log).stdout.count("Accepted publickey")


# ---------------------------------------------------------------- there and back


@beside()
def test_rollback_runs_the_recorded_image_again(scene: Scene) -> None:
    """v1 → v2 under the same tag, back to v1: by image ID, by page, by a hand-typed `up`; then held until released."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.runs()
    assert web.page("app") == "app v1"

    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)
    between = web.runs()
    assert web.page("app") == "app v2"
    assert between["app"]["image"] != before["app"]["image"]
    assert between["side"] == before["side"]

    web.rollback("--reason", "v2 is slow").ends(SUCCEEDED)
    after = web.runs()
    assert web.page("app") == "app v1"
    assert after["app"]["image"] == before["app"]["image"] == web.image_named(tagged(lab, "app"))
    assert after["side"] == before["side"]
    web.by_hand("docker compose up -d")
    assert web.runs() == after

    held = web.seen()["held"]
    assert held["reason"] == "v2 is slow"
    assert web.release(held["release"])["images"] == {name: found["image"] for name, found in before.items()}
    assert "HELD" in web.update().ends(REFUSED).err
    assert web.runs() == after
    web.change("release").ends(SUCCEEDED)
    web.update().ends(SUCCEEDED)
    assert web.images() == {name: found["image"] for name, found in between.items()}


@beside()
def test_unhealthy_update_returns_by_itself(scene: Scene) -> None:
    """v3 never gets healthy: v2's image, files and tags are back exactly, without a person; a hand-typed `up` agrees."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v2"), side=push(lab, "side", "v1")) | {"conf/a": "1", "env": "old"})
    web.update().ends(SUCCEEDED)
    before, (runs, *still) = web.runs(), web.all()
    good = web.seen()["running"]

    push(lab, "app", "v3", health="bad")
    web.files(compose(app=tagged(lab, "app"), side=tagged(lab, "side")) | {"conf/a": "2", "conf/b": "", "env": "new"})
    done = web.update().ends(RETURNED)
    assert done.operation["outcome"] == "returned"
    assert "app" in done.text
    assert "health" in done.text
    runs, *now = web.all()
    assert now == still
    assert runs["app"]["image"] == before["app"]["image"]
    assert runs["app"]["state"] == "running"
    assert runs["side"] == before["side"]
    web.by_hand("docker compose up -d")
    assert web.runs() == runs
    assert web.seen()["running"] == good
    assert web.seen()["held"] is None


# ---------------------------------------------------------------- images that are cleaned away


@beside()
def test_rollback_survives_a_prune_and_a_dead_registry(scene: Scene) -> None:
    """`docker image prune -af` leaves the recorded image, and the way back asks no registry for anything."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    web.by_hand("docker image prune -af")
    web.without_registry()
    web.rollback().ends(SUCCEEDED)
    assert web.images() == before
    assert web.page("app") == "app v1"


@beside()
def test_release_whose_images_are_gone_is_not_offered(scene: Scene) -> None:
    """After `docker system prune -af` a release is shown as not restorable, and a rollback to it changes nothing."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    old = web.seen()["running"]
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    web.by_hand("docker system prune -af")
    still = web.all()
    release = web.release(old)
    assert (release["restorable"], release["missing"]) == (False, ["app"])
    assert "not restorable" in web.rollback().ends(REFUSED).err
    assert "not restorable" in web.rollback("--to", old).ends(REFUSED).err
    assert web.all() == still

    web.change("stop").ends(SUCCEEDED)
    web.by_hand("docker system prune -af")
    assert [(r["restorable"], r["missing"]) for r in web.seen()["releases"]] == [(False, ["app", "side"])] * 2
    web.rollback().ends(REFUSED)
    assert web.runs() == {}


@beside()
def test_archived_release_survives_even_a_system_prune(scene: Scene) -> None:
    """With archive = true the same loss is mended from the unit's own disk, with the registry down."""
    lab = scene.shelf
    web = scene.place("web", archive=True)
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)
    side = web.runs()["side"]

    web.by_hand("docker system prune -af")
    assert web.host.exec(["docker", "image", "inspect", before["app"]], check=False).returncode
    web.without_registry()
    web.rollback().ends(SUCCEEDED)
    assert web.images() == before
    assert web.runs()["side"] == side
    assert web.page("app") == "app v1"
    assert web.image_named(tagged(lab, "app")) == before["app"]


# ---------------------------------------------------------------- two workstations


@beside()
def test_second_workstation_sees_the_same_and_rolls_back(scene: Scene) -> None:
    """A journal that never heard of the unit sees its releases and its hold, is refused by it, and rolls back."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    other = Place(scene.console.another("other.db"), web.host, web.name, web.project)
    assert other.seen() == web.seen()
    assert len(other.seen()["releases"]) == 2
    other.rollback().ends(SUCCEEDED)
    assert other.images() == before
    assert web.seen()["held"] == other.seen()["held"]
    assert other.seen()["held"]
    web.update().ends(REFUSED)
    assert web.images() == before


# ---------------------------------------------------------------- kinds of services


def kinds(lab: Shelf, version: str, pinned: str) -> dict[str, str]:
    """A stack of every kind of service; all but `plain` change with the version."""
    services = {
        "once": {"image": tagged(lab, "once"), "restart": "no"},
        "app": service(f"{tagged(lab, 'app', '')}${{TAG}}", depends_on={"once": {"condition": "service_completed_successfully"}}),
        "built": {"build": ".", "restart": "always"},
        "pinned": service(pinned),
        "plain": service(tagged(lab, "plain")),
        "Web.App_1": service(tagged(lab, "side")),
    }
    override = {"services": {"plain": {"environment": {"SAID": "by the override"}}}}
    return {
        **stack(services, name="another-name"),
        "compose.override.yaml": json.dumps(override),
        ".env": f"TAG={version}\n",
        "Dockerfile": f"FROM {tagged(lab, 'app', 'v1')}\nCOPY page /www/index.html\n",
        "page": f"built {version}\n",
    }


def push_kinds(lab: Shelf, version: str) -> str:
    """Push what `kinds` needs; returns the reference that is pinned by digest."""
    lab.image("once", version, text=version, oneshot=True, also=["latest"])
    push(lab, "side", version)
    push(lab, "plain", "v1", health="none")
    return lab.image("app", version, text=f"app {version}")


@beside()
def test_services_of_every_kind_go_there_and_back(scene: Scene) -> None:
    """One-shot, built on the unit, pinned, tag from .env, override, no health check, odd name, named project."""
    lab = scene.shelf
    site = scene.place("kinds", project="another-name")
    site.files(kinds(lab, "v1", push_kinds(lab, "v1")))
    site.host.put("/root/built/Dockerfile", site.console.source(scene.host, "kinds").joinpath("Dockerfile").read_text())
    site.host.put("/root/built/page", "built v1\n")
    site.host.exec("docker build -q -t another-name-built /root/built")
    site.update().ends(SUCCEEDED)
    before, tree = site.runs(), site.tree()
    assert before["once"]["state"] == "exited"
    assert site.page("built") == "built v1"
    assert "SAID=by the override" in site.environment("plain")

    scene.places.settings(site, build=True)
    site.files(kinds(lab, "v2", push_kinds(lab, "v2")))
    site.update().ends(SUCCEEDED)
    after = site.runs()
    assert {name for name in before if after[name]["image"] == before[name]["image"]} == {"plain"}
    assert after["plain"] == before["plain"]
    assert (site.page("built"), site.page("app"), site.page("pinned")) == ("built v2", "app v2", "app v2")

    site.rollback().ends(SUCCEEDED)
    assert site.images() == {name: found["image"] for name, found in before.items()}
    assert site.runs()["plain"] == before["plain"]
    assert site.tree() == tree
    assert (site.page("built"), site.page("app"), site.page("pinned")) == ("built v1", "app v1", "app v1")
    ids = site.ids()
    site.by_hand("docker compose up -d")
    assert site.ids() == ids


ODD = ('it\'s a "file" of $HOME `id`.txt', "-rf", "a folder/ünï ✓ *.conf", " lead and trail ", "sub/deep/#x;y&z")


@beside()
def test_odd_names_and_files_that_only_the_unit_has(scene: Scene) -> None:
    """Names that a shell would bite on; a .env that only the unit has stays, is recorded, and is put back."""
    lab = scene.shelf
    odd = scene.place("odd")
    app = service(push(lab, "app", "v1"), environment={"SECRET": "${SECRET:?is not set}", "TEXT": "${TEXT-}"})
    odd.host.put("/srv/odd/.env", "SECRET=one\n", 0o600)
    odd.host.put("/srv/odd/sub/deep/made by hand", "by hand\n", 0o640)
    odd.files(stack({"app": app}) | {name: f"{name} 1" for name in ODD} | {"gone/file": "x"})
    odd.console.source(scene.host, "odd").joinpath("-rf").chmod(0o755)
    odd.update().ends(SUCCEEDED)
    first, tree = odd.seen()["running"], odd.tree()
    assert "SECRET=one" in odd.environment("app")
    assert any(line.startswith("-rw------- 0 0 ./.env") for line in tree)
    assert [odd.read(name) for name in ODD] == [f"{name} 1" for name in ODD]
    (unit,) = odd.console.run("units", "--unit", scene.host, "--json").ends(SUCCEEDED).json
    assert unit["drift"] == []

    odd.host.put("/srv/odd/.env", "SECRET=two\n", 0o600)
    odd.files(stack({"app": app}) | {name: f"{name} 2" for name in ODD})
    odd.update().ends(SUCCEEDED)
    assert "SECRET=two" in odd.environment("app")
    assert [odd.read(name) for name in ODD] == [f"{name} 2" for name in ODD]
    assert odd.read("sub/deep/made by hand") == "by hand\n"
    assert not any("gone" in line for line in odd.tree())

    odd.rollback("--to", first).ends(SUCCEEDED)
    assert odd.tree() == tree
    assert "SECRET=one" in odd.environment("app")


# ---------------------------------------------------------------- what services write and read


WRITER = ["sh", "-c", "echo started >>/data/log; exec httpd -f -p 8080 -h /www"]


@beside()
def test_what_services_wrote_stays_through_everything(scene: Scene) -> None:
    """Bind-mounted folders keep content and inode: update, rollback, removal, even one inside a folder of the repository."""
    lab = scene.shelf
    keeper = scene.place("keeper")

    def version(text: str) -> dict[str, str]:
        volumes = {"app": "./data:/data", "side": "./side/data:/data"}
        services = {name: service(tagged(lab, "app"), entrypoint=WRITER, volumes=[volume]) for name, volume in volumes.items()}
        return stack(services) | {"side/conf": text}

    def data() -> list[str]:
        return [keeper.inode(name) for name in ("data", "data/log", "side/data", "side/data/log")]

    def starts() -> list[int]:
        return [keeper.read(f"{name}/log").count("started") for name in ("data", "side/data")]

    push(lab, "app", "v1")
    keeper.files(version("1"))
    keeper.update().ends(SUCCEEDED)
    before = data()
    assert starts() == [1, 1]
    assert keeper.update().ends(SUCCEEDED).operation["outcome"] == "nochange"
    push(lab, "app", "v2")
    keeper.files(version("2"))
    keeper.update().ends(SUCCEEDED)
    assert (data(), starts(), keeper.read("side/conf")) == (before, [2, 2], "2")
    keeper.rollback().ends(SUCCEEDED)
    assert (data(), starts(), keeper.read("side/conf")) == (before, [3, 3], "1")

    keeper.change("remove").ends(SUCCEEDED)
    assert keeper.runs() == {}
    keeper.rollback().ends(SUCCEEDED)
    assert (data(), starts()) == (before, [4, 4])
    keeper.by_hand("docker compose down")
    keeper.update("--unhold").ends(SUCCEEDED)
    assert (data(), starts()) == (before, [5, 5])


@beside()
def test_mounted_configuration_is_what_the_service_sees(scene: Scene) -> None:
    """A changed ./conf is seen after the update and no more after a rollback or a return, also where . is mounted."""
    lab = scene.shelf
    site = scene.place("site")
    healthy = {"test": ["CMD", "wget", "-qO-", "http://127.0.0.1:8080/conf/good"], "interval": "0.5s", "retries": 2}
    services = {
        "app": service(push(lab, "app", "v1"), volumes=["./conf:/www/conf:ro"], healthcheck=healthy),
        "whole": service(push(lab, "side", "v1"), volumes=["./:/www/all:ro"]),
        "apart": service(tagged(lab, "side")),
    }

    def sees() -> tuple[str, str]:
        return site.page("app", "conf/text"), site.page("whole", "all/conf/text")

    site.files(stack(services) | {"conf/text": "one", "conf/good": ""})
    site.update().ends(SUCCEEDED)
    apart = site.runs()["apart"]
    site.files(stack(services) | {"conf/text": "two", "conf/good": ""})
    site.update().ends(SUCCEEDED)
    assert sees() == ("two", "two")
    site.files(stack(services) | {"conf/text": "three"})
    site.update().ends(RETURNED)
    assert sees() == ("two", "two")
    site.rollback().ends(SUCCEEDED)
    assert sees() == ("one", "one")
    assert site.runs()["apart"] == apart


# ---------------------------------------------------------------- failures that are not the update's


@beside()
def test_first_deployment_that_fails(scene: Scene) -> None:
    """It is taken down, or left up where that was asked for; what the unit had in the folder is there either way."""
    lab = scene.shelf
    down, up = scene.place("down"), scene.place("up", first_failure="up")
    bad = push(lab, "sick", "v1", health="bad")
    for place in (down, up):
        place.host.put(f"{place.path}/kept/by hand", "kept")
        place.files(compose(app=push(lab, "app", "v1"), sick=bad))
    assert "taken down" in down.update().ends(FAILED).text
    assert down.runs() == {}
    assert "left up" in up.update().ends(FAILED).text
    assert set(up.runs()) == {"app", "sick"}
    for place in (down, up):
        assert place.read("kept/by hand") == "kept"
    assert down.host.exec("ls /srv").stdout == "down\nup\n"
    down.files(compose(app=tagged(lab, "app")))
    down.update().ends(SUCCEEDED)


@beside()
def test_service_that_was_unwell_before_is_not_the_updates_fault(scene: Scene) -> None:
    """An unhealthy service does not make another's update return; one that goes bad with the update does."""
    lab = scene.shelf
    ward = scene.place("ward", first_failure="up")
    ward.files(compose(app=push(lab, "app", "v1"), sick=push(lab, "sick", "v1", health="bad")))
    ward.update().ends(FAILED)
    sick = ward.runs()["sick"]
    push(lab, "app", "v2")
    assert "sick" in ward.update().ends(SUCCEEDED).text
    assert ward.page("app") == "app v2"
    before = ward.images()
    push(lab, "app", "v3", health="bad")
    ward.update().ends(RETURNED)
    assert ward.images() == before
    assert ward.runs()["sick"] == sick


# ---------------------------------------------------------------- the other verbs


@beside()
def test_one_service_restart_stop_and_remove(scene: Scene) -> None:
    """--service touches that one alone; what was stopped is started, and judged, by an update; what was removed comes back."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.runs()
    push(lab, "app", "v2")
    push(lab, "side", "v2")
    web.update("--service", "app").ends(SUCCEEDED)
    assert (web.page("app"), web.page("side")) == ("app v2", "side v1")
    assert web.runs()["side"] == before["side"]

    runs = web.runs()
    web.change("restart", "--service", "side").ends(SUCCEEDED)
    assert (web.ids(), web.runs()["app"]) == ({name: found["id"] for name, found in runs.items()}, runs["app"])
    assert web.runs()["side"]["started"] != runs["side"]["started"]
    web.change("stop").ends(SUCCEEDED)
    assert {found["state"] for found in web.runs().values()} == {"exited"}
    push(lab, "app", "v3", health="bad")
    web.update().ends(RETURNED)
    assert web.images() == {name: found["image"] for name, found in runs.items()}
    assert {found["state"] for found in web.runs().values()} == {"running"}

    web.change("stop").ends(SUCCEEDED)
    lab.image("app", "v2", text="app v2", also=["latest"])
    lab.image("side", "v1", text="side v1", also=["latest"])
    assert web.update().ends(SUCCEEDED).operation["outcome"] == "succeeded"
    assert {found["state"] for found in web.runs().values()} == {"running"}
    good = web.images()
    web.change("remove").ends(SUCCEEDED)
    assert web.runs() == {}
    web.without_registry()
    web.rollback().ends(SUCCEEDED)
    assert web.images() == good


@beside()
def test_what_does_not_run_is_a_change_though_nothing_is_to_start_it_again(scene: Scene) -> None:
    """Compose's own restart policy is no: what is stopped, ends badly or is removed stays so, until an update."""
    lab = scene.shelf
    web = scene.place("web")
    for name in ("app", "side", "once"):
        push(lab, name, "v1")
    plain = {name: f"  {name}:\n    image: {tagged(lab, name)}\n" for name in ("app", "side", "once")}
    plain["once"] += "    entrypoint: ['sh', '-c', 'exit 0']\n"
    plain["spare"] = f"  spare:\n    image: {tagged(lab, 'app')}\n    deploy:\n      replicas: 0\n"
    web.files({"compose.yaml": "services:\n" + "".join(plain.values())})

    def runs() -> set[str]:
        return {name for name, found in web.runs().items() if found["state"] == "running"}

    def updated() -> str:
        return str(web.update().ends(SUCCEEDED).operation["outcome"])

    assert updated() == "succeeded"
    assert runs() == {"app", "side"}
    assert updated() == "nochange"  # what has ended well has done its work
    web.change("stop").ends(SUCCEEDED)
    assert runs() == set()
    assert updated() == "succeeded"
    assert runs() == {"app", "side"}
    web.change("stop", "--service", "app").ends(SUCCEEDED)
    web.change("restart", "--service", "side").ends(SUCCEEDED)
    assert runs() == {"side"}
    assert updated() == "succeeded"
    assert runs() == {"app", "side"}
    web.change("stop").ends(SUCCEEDED)
    web.host.exec(["docker", "start", *web.ids().values()])
    assert updated() == "nochange"  # somebody has started it by hand
    ids = web.ids()
    web.host.exec(["docker", "kill", ids["side"]])
    assert updated() == "succeeded"
    assert runs() == {"app", "side"}
    web.host.exec(["docker", "rm", "-f", ids["app"]])
    assert updated() == "succeeded"
    assert runs() == {"app", "side"}
    assert updated() == "nochange"


@beside()
def test_releases_are_held_forgotten_and_kept_few(scene: Scene) -> None:
    """keep_releases = 2: older ones go with the tags and containers that kept their images; what is held never goes."""
    lab = scene.shelf
    web = scene.place("web", keep_releases=2)

    def deploy(version: str) -> tuple[str, str]:
        push(lab, "app", version)
        web.files(compose(app=tagged(lab, "app")))
        web.update().ends(SUCCEEDED)
        return str(web.seen()["running"]), web.images()["app"]

    def kept() -> tuple[set[str], set[str], set[str]]:
        """The releases that the unit's folder, its tags and its containers speak of."""
        tags = web.host.exec("docker image ls --format '{{.Repository}} {{.Tag}}' | sed -n 's/^clavel-keep.* //p'")
        names = web.host.exec("docker ps -a --format '{{.Names}}' | sed -n 's/^clavel-keep.*-//p'")
        folders = web.host.exec("ls /var/lib/clavel/stacks/web/releases")
        return set(folders.stdout.split()), set(tags.stdout.split()), set(names.stdout.split())

    (one, image), (two, _) = deploy("v1"), deploy("v2")
    assert kept() == ({one, two},) * 3
    three, _ = deploy("v3")
    assert kept() == ({two, three},) * 3
    assert web.host.exec(["docker", "image", "inspect", image], check=False).returncode

    web.change("hold", "--reason", "a holiday").ends(SUCCEEDED)
    assert web.seen()["held"]["release"] == three
    assert "a holiday" in web.update().ends(REFUSED).err
    web.change("forget", "--to", three).ends(REFUSED)
    web.change("forget", "--to", two).ends(SUCCEEDED)
    assert kept() == ({three},) * 3
    web.change("release").ends(SUCCEEDED)
    assert web.seen()["held"] is None
    assert web.page("app") == "app v3"


@beside()
def test_hook_check_and_an_update_without_a_change(scene: Scene) -> None:
    """--check tells and changes nothing; nothing new is no change; the hook runs first, and stops the update when it fails."""
    lab = scene.shelf
    web = scene.place("web")
    pinned = lab.image("side", "v1", text="side v1")
    files = compose(app=push(lab, "app", "v1"), same=push(lab, "same", "v1"), pinned=pinned)
    web.files(files)
    web.update().ends(SUCCEEDED)
    still = web.all()
    assert web.update().ends(SUCCEEDED).operation["outcome"] == "nochange"
    assert web.all() == still

    push(lab, "app", "v2")
    found = web.console.run("update", "web", "--unit", scene.host, "--check", "--json").ends(SUCCEEDED).json
    states = {tagged(lab, "app"): "newer", tagged(lab, "same"): "same", pinned: "pinned"}
    assert {row["ref"]: row["state"] for row in found} == states
    assert web.all() == still
    web.update("--dry-run").ends(SUCCEEDED)
    assert web.all() == still

    scene.places.settings(web, pre_update="docker ps >/dev/null && pwd >/tmp/hooked && echo no dump today && exit 9")
    assert "hook" in web.update().ends(FAILED).text
    assert web.host.exec("cat /tmp/hooked; rm /tmp/hooked").stdout == "/srv/web\n"
    assert web.all() == still
    scene.places.settings(web, pre_update='docker compose ps -q app >"$PWD/by the hook"')
    web.update().ends(SUCCEEDED)
    assert web.read("by the hook") == f"{still[0]['app']['id']}\n"
    assert web.page("app") == "app v2"


@beside()
def test_update_is_confirmed_over_a_new_connection(scene: Scene) -> None:
    """With confirm_seconds the job waits for a word that comes over another connection than the one that started it."""
    lab = scene.shelf
    web = scene.place("web", confirm_seconds=20)
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    push(lab, "app", "v2")
    before = logins(web.host)
    done = web.update().ends(SUCCEEDED)
    assert logins(web.host) - before >= 2
    job = f"/var/lib/clavel/jobs/{done.operation['id']}"
    assert web.host.exec(["cat", f"{job}/ack"]).stdout.strip() == done.operation["id"]
    assert "step confirm" in web.host.exec(["cat", f"{job}/log"]).stdout
    assert web.page("app") == "app v2"


# ---------------------------------------------------------------- folders that are not only ours


@beside()
def test_folder_that_cannot_be_renamed_is_refused(scene: Scene) -> None:
    """A mount point, a link, data on a disk of its own: `mv` would copy under a running service. Nothing was changed."""
    lab = scene.shelf
    web = scene.place("web")
    app = service(push(lab, "app", "v1"), volumes=["./data:/data"])
    web.files(stack({"app": app}))
    web.update().ends(SUCCEEDED)
    web.by_hand("echo precious >data/kept")
    for text, undo in (
        ("mount -t tmpfs none data && echo precious >data/kept", "umount data"),
        ("cp -a /srv/web /srv/real && mount --bind /srv/real /srv/web", "umount /srv/web; rm -r /srv/real"),
    ):
        web.host.exec(f"cd /srv/web && {text}")
        web.files(stack({"app": app}) | {"note": text})
        assert "mount point" in web.update().ends(REFUSED).text
        assert web.read("data/kept") == "precious\n"
        web.host.exec(f"cd / && cd /srv/web && {undo}" if undo == "umount data" else undo)
        assert scene.console.lab.host(scene.host).exec("ls -A /srv").stdout.split() == ["web"]
    web.update().ends(SUCCEEDED)
    assert web.read("data/kept") == "precious\n"


@beside()
def test_owner_of_a_folder_and_files_below_a_mount_of_it_all(scene: Scene) -> None:
    """A folder of the repository keeps the owner that it has on the unit; what a service writes beside our files is its own."""
    lab = scene.shelf
    web = scene.place("web")
    services = {"app": service(push(lab, "app", "v1"), volumes=["./conf:/conf", "./:/all"])}
    web.files(stack(services) | {"conf/a": "1"})
    web.update().ends(SUCCEEDED)
    web.by_hand("chown 1000:1000 conf && chmod 750 conf && echo one >conf/app.db && echo one >top.db")
    push(lab, "app", "v2")
    web.files(stack(services) | {"conf/a": "2"})
    web.update().ends(SUCCEEDED)
    assert web.by_hand("stat -c '%u %a' conf") == "1000 750\n"
    web.by_hand("echo two >conf/app.db && echo two >top.db")
    web.rollback().ends(SUCCEEDED)
    assert (web.read("conf/a"), web.read("conf/app.db"), web.read("top.db")) == ("1", "two\n", "two\n")
    assert web.by_hand("stat -c '%u %a' conf") == "1000 750\n"


@beside()
def test_service_with_mounted_files_comes_and_goes(scene: Scene) -> None:
    """An update that takes a service away with the file that it mounted; and back, and there again."""
    lab = scene.shelf
    web = scene.place("web")
    app = service(push(lab, "app", "v1"), volumes=["./app.conf:/www/conf:ro"])
    worker = service(tagged(lab, "app"), volumes=["./worker.conf:/www/conf:ro"])
    both = stack({"app": app, "worker": worker}) | {"app.conf": "one", "worker.conf": "one"}
    web.files(both)
    web.update().ends(SUCCEEDED)
    web.files(stack({"app": app}) | {"app.conf": "two"})
    web.update().ends(SUCCEEDED)
    assert set(web.runs()) == {"app"}
    assert web.page("app", "conf") == "two"
    good = web.seen()["running"]
    web.rollback().ends(SUCCEEDED)
    assert (web.page("app", "conf"), web.page("worker", "conf")) == ("one", "one")
    web.rollback("--to", good).ends(SUCCEEDED)
    assert set(web.runs()) == {"app"}
    assert web.page("app", "conf") == "two"


@beside()
def test_file_that_somebody_broke_hides_no_running_stack(scene: Scene) -> None:
    """compose.yaml on the unit does not parse: what runs is no first deployment, and is never taken down for one."""
    lab = scene.shelf
    web = scene.place("web", project="shop")
    web.files(stack({"app": service(push(lab, "app", "v1"))}, name="shop"))
    web.update().ends(SUCCEEDED)
    before = web.images()
    web.by_hand("echo ' broken: [' >>compose.yaml")
    web.files(stack({"app": service(push(lab, "app", "v2"))}, name="shop"))
    web.update().ends(SUCCEEDED)
    assert [web.page("app"), len(web.seen()["releases"])] == ["app v2", 3]
    web.by_hand("echo ' broken: [' >>compose.yaml")
    web.files(stack({"app": service(push(lab, "app", "v3", health="bad"))}, name="shop"))
    assert "the way back to" in web.update().ends(FAILED).text
    assert set(web.runs()) == {"app"}
    first, broken = sorted((r["seq"], r["id"]) for r in web.seen()["releases"] if r["images"] == before)
    still = web.all()
    assert "refuses the recorded files" in web.rollback("--to", broken[1]).ends(REFUSED).text
    assert web.all() == still
    web.rollback("--to", first[1]).ends(SUCCEEDED)
    assert web.images() == before


@beside()
def test_damaged_release_is_refused(scene: Scene) -> None:
    """A file of a recorded release was changed on the unit: the rollback says so, and changes nothing."""
    lab = scene.shelf
    web = scene.place("web")
    web.files(compose(app=push(lab, "app", "v1")) | {"note": "one"})
    web.update().ends(SUCCEEDED)
    old = web.seen()["running"]
    push(lab, "app", "v2")
    web.files(compose(app=tagged(lab, "app")) | {"note": "two"})
    web.update().ends(SUCCEEDED)
    still = web.all()
    web.host.exec(f": >/var/lib/clavel/stacks/web/releases/{old}/folder/note")
    assert "damaged" in web.rollback("--to", old).ends(REFUSED).text
    assert web.all() == still
