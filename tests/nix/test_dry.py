"""What dry-activate says, in the words of the real one."""

from clavel_tui.nix.dry import parse_dry

SAID = """\
would stop the following units: old.service, audio.socket
would NOT stop the following changed units: dbus.service
would activate the configuration...
would reload the following units: firewall.service
would restart the following units: sshd.service, systemd-sysctl.service
would start the following units: new.service
"""


def test_each_unit_has_its_verb_and_the_rest_is_left_out() -> None:
    assert [(s.verb, s.name) for s in parse_dry(SAID.splitlines())] == [
        ("stop", "old.service"),
        ("stop", "audio.socket"),
        ("reload", "firewall.service"),
        ("restart", "sshd.service"),
        ("restart", "systemd-sysctl.service"),
        ("start", "new.service"),
    ]


def test_hostile_words_reach_nobody() -> None:
    (one,) = parse_dry(["would start the following units: \x1b[31mred\x07.service, , "])
    assert one.name == "red.service"
