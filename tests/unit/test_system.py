"""A deployment, step by step: nothing is set before somebody has answered, and every way back is to what ran before."""

import os
import signal
import time

from .supervisor import wait_until
from .systems import SystemUnit, name
from .test_job import small_files

# ---------------------------------------------------------------- the order


def test_profile_and_boot_entry_move_last(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2"))
    assert (seen.outcome, seen.result["from"].rpartition("-")[2]) == ("succeeded", "1"), seen
    assert web.told == ["test 2", "set 2", "boot 2"]
    assert (web.runs, web.profile) == ("2", "2")
    assert web.roots == ["1", "2"]
    assert web.recorded == [("good", "1"), ("good", "2")]


def test_nothing_is_set_before_somebody_answers(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2"), "confirm", confirm_s="20"):
        assert plain.told == ["test 2"]
        assert (plain.runs, plain.profile) == ("2", "1")
        plain.unit.job("ack", "j1")
    assert plain.unit.follow().outcome == "succeeded"
    assert plain.told == ["test 2", "set 2", "boot 2"]


def test_nobody_answers_and_it_goes_back(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2"), confirm_s="1")
    assert seen.outcome == "returned"
    assert "nobody reached this unit" in seen.result["text"]
    assert web.told == ["test 2", "test 1"]
    assert (web.runs, web.profile) == ("1", "1")
    assert web.recorded == [("good", "1"), ("returned", "2")]


def test_cancel_while_it_waits_goes_back_at_once(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2"), "confirm", confirm_s="60"):
        plain.unit.job("cancel", "j1")
    seen = plain.unit.follow()
    assert (seen.outcome, plain.runs, plain.profile) == ("returned", "1", "1")
    assert "cancel was asked for" in seen.result["text"]


def test_both_paths_are_rooted_before_anything_runs(plain: SystemUnit) -> None:
    roots = '{ ls "$CLAVEL_ROOT/nix/var/nix/gcroots/clavel" | wc -l | tr -d " "; } >"$CLAVEL_ROOT/rooted"'
    assert plain.deploy(plain.system("2", before=roots)).outcome == "succeeded"
    assert (plain.root / "rooted").read_text().strip() == "2"


def test_what_runs_has_to_be_there_to_return_to(plain: SystemUnit) -> None:
    """Its files may still lie there where the store knows nothing of it: a repair would take them."""
    (plain.root / "collected").write_text(f"/nix/store/{name('1')}\n")
    seen = plain.deploy(plain.system("2"))
    assert (seen.outcome, seen.result["text"]) == ("refused", "a path went away while it was rooted: nothing was changed")
    assert (plain.told, plain.runs, plain.profile) == ([], "1", "1")


def test_only_what_is_signed_where_that_is_asked_for(plain: SystemUnit) -> None:
    """As the helper asks; there is no `nix` here that would call anything signed, and what ran is known by its root."""
    assert plain.deploy(plain.system("2"), signed_only="1").outcome == "refused"
    assert plain.told == []
    assert plain.deploy(plain.system("2"), "j2").outcome == "succeeded"
    assert plain.deploy(plain.system("1"), "j3", signed_only="1").outcome == "succeeded"


# ---------------------------------------------------------------- what goes wrong


def test_an_activation_that_fails_goes_back(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2", after="echo no such snippet >&2", code=2))
    assert (seen.outcome, web.runs, web.profile) == ("returned", "1", "1")
    assert "exit code 2" in seen.result["text"]
    assert b" out no such snippet\n" in seen.log


def test_an_activation_that_never_ends_goes_back(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2", after="sleep 60"), activate_s="1")
    assert (seen.outcome, plain.runs) == ("returned", "1")
    assert "longer than 1 s" in seen.result["text"]


def test_an_activation_that_leaves_a_daemon_is_not_waited_for(web: SystemUnit) -> None:
    begun = time.monotonic()
    seen = web.deploy(web.system("2", after='sleep 30 & echo $! >"$CLAVEL_ROOT/daemon"'))
    assert seen.outcome == "succeeded"
    assert time.monotonic() - begun < 20
    assert web.deploy(web.system("3"), "j2").outcome == "succeeded"  # it holds no lock of ours either
    os.kill(int((web.root / "daemon").read_text()), signal.SIGKILL)


FAILED = 'echo "warning: the following units failed: mail.service, web.service" >&2'


def test_failed_units_are_named_and_it_goes_back(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2", after=FAILED, code=4))
    assert (seen.outcome, web.runs) == ("returned", "1")
    assert "mail.service, web.service" in seen.result["text"]


def test_failed_units_are_left_where_that_is_wanted(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2", after=FAILED, code=4), on_failure="leave")
    assert (seen.outcome, plain.runs, plain.profile) == ("units-failed", "2", "2")
    assert "mail.service, web.service" in seen.result["text"]
    assert plain.recorded[-1] == ("failed", "2")


def test_units_that_it_does_not_name_count_too(plain: SystemUnit) -> None:
    assert plain.deploy(plain.system("2", code=4)).outcome == "returned"


def test_a_check_that_does_not_hold_goes_back(web: SystemUnit) -> None:
    check = f"command test ! -e {web.root}/broken"
    seen = web.deploy(web.system("2", after='touch "$CLAVEL_ROOT/broken"'), checks=check, check_s="1")
    assert (seen.outcome, web.runs) == ("returned", "1")
    assert "broken" in seen.result["text"]


def test_a_check_that_comes_right_in_time_is_well(plain: SystemUnit) -> None:
    check = f"command test -e {plain.root}/ready"
    (plain.root / "ready").touch()
    after = 'rm "$CLAVEL_ROOT/ready"; (sleep 1; touch "$CLAVEL_ROOT/ready") >/dev/null 2>&1 &'
    assert plain.deploy(plain.system("2", after=after), checks=check, check_s="8").outcome == "succeeded"


def test_what_failed_before_is_not_judged(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2"), checks="command false")
    assert seen.outcome == "succeeded"
    assert b"already failing, and so not judged: command false" in seen.log
    assert web.recorded[0] == ("found", "1")


def test_it_ends_well_and_something_else_runs(plain: SystemUnit) -> None:
    back = f'ln -sfn "$CLAVEL_ROOT/nix/store/{name("1")}" "$CLAVEL_ROOT/run/current-system"'
    seen = plain.deploy(plain.system("2", after=back))
    assert seen.outcome == "returned"
    assert plain.profile == "1"


def test_a_profile_that_cannot_be_set_goes_back(plain: SystemUnit) -> None:
    (plain.root / "no-set").touch()
    seen = plain.deploy(plain.system("2"))
    assert (seen.outcome, plain.runs, plain.profile) == ("returned", "1", "1")


def test_a_boot_entry_that_cannot_be_written_goes_back(plain: SystemUnit) -> None:
    target = plain.system("2")
    switch = plain.root / target[1:] / "bin/switch-to-configuration"
    switch.write_text(switch.read_text().replace("verb=$1", 'verb=$1; [ "$verb" != boot ] || exit 1'))
    seen = plain.deploy(target)
    assert (seen.outcome, plain.runs, plain.profile) == ("returned", "1", "1")
    assert plain.told[-3:] == ["test 1", "set 1", "boot 1"]


def test_the_way_back_fails_and_says_so(plain: SystemUnit) -> None:
    plain.system("1", code=2, before="exit 2")
    seen = plain.deploy(plain.system("2", code=2))
    assert (seen.outcome, plain.runs) == ("failed", "2")
    assert "could not be returned" in seen.result["text"]


INHIBITED = "echo \"Pre-switch check 'switchInhibitors' failed\" >&2; echo dbus >&2; exit 1"


def test_what_must_not_be_replaced_live_waits_for_the_boot(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2", before=INHIBITED))
    assert (seen.outcome, web.runs, web.profile) == ("needs-reboot", "1", "2")
    assert web.told == ["test 2", "set 2", "boot 2"]


def test_somebody_switches_meanwhile(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2", before='echo "Could not acquire lock" >&2; exit 1'))
    assert (seen.outcome, plain.told) == ("refused", ["test 2"])


# ---------------------------------------------------------------- modes


def test_mode_test_leaves_profile_and_boot_entry(web: SystemUnit) -> None:
    seen = web.deploy(web.system("2"), mode="test")
    assert (seen.outcome, web.runs, web.profile, web.told) == ("succeeded", "2", "1", ["test 2"])
    assert web.recorded[-1] == ("test", "2")


def test_mode_boot_activates_nothing(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2"), mode="boot")
    assert (seen.outcome, plain.runs, plain.profile, plain.told) == ("succeeded", "1", "2", ["set 2", "boot 2"])
    assert plain.recorded == [("boot", "2")]


def test_what_runs_already_is_left_alone(plain: SystemUnit) -> None:
    assert plain.deploy(f"/nix/store/{name('1')}").outcome == "nochange"
    assert plain.told == []


def test_darwin_is_activated_once_and_knows_no_boot_entry(web: SystemUnit) -> None:
    for version in ("1", "2"):
        folder = web.root / web.system(version)[1:]
        (folder / "bin/switch-to-configuration").rename(folder / "activate")
        (folder / "nixos-version").rename(folder / "darwin-version")
    seen = web.deploy(f"/nix/store/{name('2')}", type="darwin")
    assert (seen.outcome, web.runs, web.profile) == ("succeeded", "2", "2"), seen
    assert [line.strip() for line in web.told] == ["2", "set 2"]


# ---------------------------------------------------------------- refused before anything


def refused(web: SystemUnit, target: str, word: str, **params: str) -> None:
    seen = web.deploy(target, **params)
    assert seen.outcome == "refused", seen
    assert word in seen.result["text"]
    assert (web.told, web.runs, web.profile) == ([], "1", "1")


def test_a_path_that_is_gone(web: SystemUnit) -> None:
    refused(web, f"/nix/store/{name('9')}", "is not on this unit")


def test_a_closure_that_is_no_system(plain: SystemUnit) -> None:
    target = plain.system("2")
    (plain.root / target[1:] / "nixos-version").unlink()
    refused(plain, target, "is no nixos system")


def test_a_system_of_another_machine(plain: SystemUnit) -> None:
    refused(plain, plain.system("2", arch="aarch64-linux"), "is for aarch64-linux")


def test_what_runs_could_not_be_returned_to(plain: SystemUnit) -> None:
    (plain.root / "nix/store" / name("1") / "bin/switch-to-configuration").unlink()
    refused(plain, plain.system("2"), "could not be returned to")


def test_it_is_not_what_was_previewed(plain: SystemUnit) -> None:
    refused(plain, plain.system("2"), "plan again", expect=f"/nix/store/{name('5')} /nix/store/{name('1')}")


def test_no_room_for_the_state(plain: SystemUnit) -> None:
    target = plain.system("2")
    bundle = plain.bundle(target, "j1")
    plain.unit.job("start", "j1", str(plain.unit.put(bundle)), bundle.sum(), preexec_fn=small_files(64 * 1024))
    assert plain.unit.follow().outcome == "refused"
    assert plain.told == []


# ---------------------------------------------------------------- death


def test_killed_while_it_waits_it_is_returned_by_the_next_look(web: SystemUnit) -> None:
    with web.waiting(web.system("2"), "confirm", confirm_s="60"):
        web.kill()
    seen = web.unit.settle()
    assert (seen.outcome, web.runs, web.profile) == ("interrupted", "1", "1")


def test_killed_while_it_activates_it_is_returned(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2", before='touch "$CLAVEL_ROOT/begun"; sleep 30'), "activate"):
        wait_until("the switch runs", (plain.root / "begun").exists)
        plain.kill()
    assert plain.unit.settle().outcome == "interrupted"
    assert (plain.runs, plain.profile, plain.told) == ("1", "1", ["test 2", "test 1"])


def test_killed_between_profile_and_boot_entry_it_goes_on_forward(plain: SystemUnit) -> None:
    target = plain.system("2")
    switch = plain.root / target[1:] / "bin/switch-to-configuration"
    whole = switch.read_text()
    switch.write_text(whole.replace("verb=$1", 'verb=$1; [ "$verb" != boot ] || { touch "$CLAVEL_ROOT/booting"; sleep 30; }'))
    plain.start(target)
    wait_until("the profile is set", (plain.root / "booting").exists)
    plain.kill()
    switch.write_text(whole)
    assert plain.unit.settle().outcome == "interrupted"
    assert (plain.runs, plain.profile, (plain.root / "boots").read_text().strip()) == ("2", "2", name("2"))


def test_a_reboot_lands_on_the_old_system_and_nothing_is_activated_again(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2"), "confirm", confirm_s="60"):
        plain.kill()
    plain.boot("second")
    link = plain.root / "run/current-system"
    link.unlink()
    link.symlink_to(plain.root / "nix/store" / name("1"))
    assert "restarted" in plain.unit.settle().result["text"]
    assert (plain.runs, plain.profile, plain.told) == ("1", "1", ["test 2"])


def test_the_next_job_first_mends_what_a_dead_one_left(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2"), "confirm", confirm_s="60"):
        plain.kill()
    assert plain.deploy(plain.system("3"), "j2").result["from"].rpartition("-")[2] == "1"
    assert (plain.runs, plain.profile) == ("3", "3")


def set_link(web: SystemUnit, link: str, version: str) -> None:
    (web.root / link).unlink()
    (web.root / link).symlink_to(web.root / "nix/store" / name(version))


def test_what_somebody_deployed_since_is_left_alone(plain: SystemUnit) -> None:
    with plain.waiting(plain.system("2"), "confirm", confirm_s="60"):
        plain.kill()
    plain.system("3")
    for link in ("run/current-system", "nix/var/nix/profiles/system"):
        set_link(plain, link, "3")
    assert plain.unit.settle().outcome == "interrupted"
    assert (plain.runs, plain.profile, plain.told) == ("3", "3", ["test 2"])


def test_killed_on_the_way_back_the_boot_entry_is_written_anew(plain: SystemUnit) -> None:
    """Its boot entry is the new one's, the profile is the old one's again, and then the power goes."""
    target = plain.system("2")
    switch = plain.root / target[1:] / "bin/switch-to-configuration"
    switch.write_text(
        switch.read_text().replace("verb=$1", 'verb=$1; [ "$verb" != boot ] || { touch "$CLAVEL_ROOT/at"; sleep 30; }')
    )
    plain.start(target)
    wait_until("the profile is set", (plain.root / "at").exists)
    plain.kill()
    (plain.root / "boots").write_text(name("2"))
    for link in ("run/current-system", "nix/var/nix/profiles/system"):
        set_link(plain, link, "1")
    plain.boot("second")
    assert plain.unit.settle().outcome == "interrupted"
    assert (plain.root / "boots").read_text().strip() == name("1")


def test_somebody_switches_while_it_waits(plain: SystemUnit) -> None:
    plain.system("3")
    with plain.waiting(plain.system("2"), "confirm", confirm_s="60"):
        set_link(plain, "run/current-system", "3")
        plain.unit.job("ack", "j1")
    seen = plain.unit.follow()
    assert (seen.outcome, plain.profile, plain.told) == ("failed", "1", ["test 2"])
    assert "somebody else has switched it" in seen.result["text"]


def test_mode_test_never_moves_the_profile(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2", before=INHIBITED), mode="test")
    assert (seen.outcome, plain.profile, plain.told) == ("refused", "1", ["test 2"])


def test_mode_test_names_what_failed_too(plain: SystemUnit) -> None:
    seen = plain.deploy(plain.system("2", after=FAILED, code=4), mode="test", on_failure="leave")
    assert (seen.outcome, plain.profile) == ("units-failed", "1")


def test_the_way_back_waits_for_whoever_else_is_switching(plain: SystemUnit) -> None:
    once = '[ -e "$CLAVEL_ROOT/seen" ] || { touch "$CLAVEL_ROOT/seen"; echo "Could not acquire lock" >&2; exit 1; }'
    plain.system("1", before=once)
    seen = plain.deploy(plain.system("2", code=2))
    assert (seen.outcome, plain.runs, plain.told) == ("returned", "1", ["test 2", "test 1", "test 1"])


# ---------------------------------------------------------------- what is kept


def test_the_newest_roots_stay_and_what_is_used(plain: SystemUnit) -> None:
    for version in ("2", "3", "4", "5"):
        assert plain.deploy(plain.system(version), f"j{version}", keep_n="2").outcome == "succeeded"
        time.sleep(0.02)
    assert plain.roots == ["1", "4", "5"]  # 1 was booted


def test_a_full_disk_costs_the_record_and_not_the_deployment(plain: SystemUnit) -> None:
    (plain.unit.state / "system").mkdir()
    (plain.unit.state / "system/deployed.new").mkdir()
    assert plain.deploy(plain.system("2")).outcome == "succeeded"
    assert plain.recorded == []
