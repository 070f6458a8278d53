"""A stack as a person sees it: joined from the fleet's files and what was seen on the unit."""

from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.release import Held, Release
from clavel_tui.domain.stackview import StackView, stack_views

from .build import container, facts, release, stack, state, unit


def view(seen: Facts | None) -> StackView:
    (found,) = stack_views(unit(stacks=(stack(),)), seen)
    return found


def test_before_the_first_look() -> None:
    found = view(None)
    assert (found.name, found.path, found.containers, found.good) == ("web", "/srv/web", (), None)
    assert found.declared == stack()


def test_declared_ones_first_then_those_that_only_the_unit_knows() -> None:
    seen = facts(
        container(),
        container("x", project="zoo", working_dir="/home/zoo"),
        container("y", project="ark", working_dir="/home/ark"),
    )
    found = stack_views(unit(stacks=(stack("web"), stack("quiet"))), seen)
    assert [(v.name, v.declared is not None, v.path, v.services) for v in found] == [
        ("web", True, "/srv/web", ("app",)),
        ("quiet", True, "/srv/quiet", ()),
        ("ark", False, "/home/ark", ("y",)),
        ("zoo", False, "/home/zoo", ("x",)),
    ]


def test_a_project_belongs_to_the_folder_it_was_started_in_whatever_its_name() -> None:
    found = view(facts(container(project="other-name")))
    assert found.services == ("app",)


def test_a_project_of_that_name_started_elsewhere_still_counts() -> None:
    assert view(facts(container(working_dir="/root/web"))).services == ("app",)


def test_what_runs_and_what_to_go_back_to() -> None:
    releases = (
        release("a", 1, app="sha256:one"),
        release("b", 2, app="sha256:two"),
        release("c", 3, "unhealthy", app="sha256:three"),
    )
    seen = facts(
        container(image="sha256:two"), stacks=(state(*releases),), image_ids=("sha256:one", "sha256:two", "sha256:three")
    )
    found = view(seen)
    assert [r.id for r in found.releases] == ["c", "b", "a"]
    assert (found.running, found.good, found.missing) == ("b", "a", {})


def test_a_release_whose_image_is_gone_is_not_offered() -> None:
    releases = (release("a", 1, app="sha256:old"), release("b", 2, app="sha256:gone"), release("c", 3, app="sha256:one"))
    found = view(facts(container(), stacks=(state(*releases),), image_ids=("sha256:one", "sha256:old")))
    assert (found.running, found.good, found.missing) == ("c", "a", {"b": ("app",)})


def test_what_runs_must_be_the_very_images_of_every_service() -> None:
    both = release("a", 1, app="sha256:one", db="sha256:db")
    assert view(facts(container(), stacks=(state(both),))).running is None
    assert view(facts(container(), container("db", "sha256:db"), stacks=(state(both),))).running == "a"
    assert view(facts(container(), container("db", "sha256:new"), stacks=(state(both),))).running is None
    assert view(facts(stacks=(state(release("empty", 1)),))).running is None


def test_of_two_releases_with_the_same_images_the_one_seen_last_runs() -> None:
    seen = facts(container(), stacks=(state(release("a", 7, app="sha256:one"), release("b", 3, app="sha256:one")),))
    assert (view(seen).running, view(seen).good) == ("a", "b")


def test_held() -> None:
    assert view(facts(container(), stacks=(state(held=Held(release="a")),))).held == Held(release="a")


def test_a_release_by_the_beginning_of_its_id() -> None:
    found = view(facts(stacks=(state(release("abc1", 1), release("abd2", 2)),)))
    assert (found.release("abd"), found.release("abc1")) == (found.releases[0], found.releases[1])
    assert (found.release("ab"), found.release("x")) == (None, None)


IMAGES = st.sampled_from(["sha256:1", "sha256:2", "sha256:3"])
RELEASES = st.lists(
    st.tuples(IMAGES, st.integers(1, 99), st.sampled_from(["healthy", "unhealthy"])), max_size=6, unique_by=lambda r: r[1]
)


@given(runs=IMAGES, recorded=RELEASES, present=st.sets(IMAGES))
def test_what_is_offered_is_good_restorable_and_does_not_run(
    runs: str, recorded: list[tuple[str, int, str]], present: set[str]
) -> None:
    releases: list[Release] = [release(f"r{seq}", seq, health, app=image) for image, seq, health in recorded]
    found = view(facts(container(image=runs), stacks=(state(*releases),), image_ids=tuple(present)))
    assert found.good is None or found.good != found.running
    if found.good:
        good = next(r for r in releases if r.id == found.good)
        assert good.health == "healthy"
        assert good.images()["app"] in present
    if found.running:
        assert next(r for r in releases if r.id == found.running).images() == {"app": runs}
