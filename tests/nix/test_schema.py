"""What one attribute may say, and the sentence for what it may not."""

import pytest

from clavel_tui.domain.source import Fault
from clavel_tui.domain.unit import UnitType
from clavel_tui.nix.schema import attribute

PATH = "/nix/store/" + "a" * 32 + "-router-1.0"
GOOD = {"attribute": "clavelUnits.router", "unit": "router", "narId": PATH}


def test_a_good_one() -> None:
    one = attribute({**GOOD, "type": "iot", "metadata": {"site": "attic"}, "keys": ["k"]}, UnitType.IOT)
    assert (one.fault, one.nar_id, one.metadata, one.keys) == (None, PATH, {"site": "attic"}, ("k",))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"narId": ""}, "says neither toplevel nor storePath"),
        ({"narId": "/nix/store/short-x"}, "'/nix/store/short-x' is no store path"),
        ({"narId": "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"}, "is no store path that is known before it is built"),
        ({"narId": PATH + "\n"}, "is no store path"),
        ({"narId": 5}, "storePath or toplevel is 5"),
        ({"keys": "one"}, "substituters-public-keys is 'one'"),
        ({"metadata": {"a": 1}}, "metadata.a is 1"),
        ({"type": "darwin"}, "type is 'darwin', but unit.toml says 'iot'"),
        ({"profile": "system"}, "profile is 'system'"),
        ({"both": True}, "says both toplevel and storePath"),
        ({"unknown": ["nar"]}, "no such key: nar"),
    ],
)
def test_what_is_wrong_names_key_and_value(more: dict[str, object], words: str) -> None:
    one = attribute({**GOOD, **more}, UnitType.IOT)
    assert one.fault is Fault.SCHEMA
    assert one.text.startswith("clavelUnits.router: ")
    assert words in one.text
    assert one.nar_id == ""
