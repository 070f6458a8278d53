"""claveld's own file, as `claveld serve` takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clavel_tui import claveld_wiring


def test_a_certificate_that_cannot_be_read_is_a_sentence_and_nothing_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "claveld.toml"
    said = {
        "fleet": tmp_path / "hosts",
        "database": tmp_path / "claveld.db",
        "tls_certificate": "/no/cert.pem",
        "tls_key": "/no/key.pem",
    }
    file.write_text("".join(f'{key} = "{value}"\n' for key, value in said.items()))
    assert claveld_wiring.main(["--config", str(file), "serve"]) == 2
    told = capsys.readouterr().err
    for key, value in (("tls_certificate", "/no/cert.pem"), ("tls_key", "/no/key.pem")):
        assert f"{file}: {key} is '{value}': cannot be read: No such file or directory" in told
    assert not (tmp_path / "claveld.db").exists()


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"])
def test_nor_is_one_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    file, pem = tmp_path / "claveld.toml", tmp_path / "cert.pem"
    pem.write_text(text)
    file.write_text("".join(f'{key} = "{pem}"\n' for key in ("fleet", "tls_certificate", "tls_key")))
    assert claveld_wiring.main(["--config", str(file), "serve"]) == 2
    assert f"tls_certificate is '{pem}': cannot be used with its key {pem}" in capsys.readouterr().err
