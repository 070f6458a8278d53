"""A binary cache over HTTP on the lab's network, signed by keys of its own; what was asked of it is counted."""

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .shell import write
from .systems import Fleet

PORT = 8087


class Cache:
    """As long as a `with` block lasts. ``asked``: the path of every request that was answered."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.folder = fleet.folder / "cache-http"
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self._fleet.lab.plan.gateway}:{PORT}"

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)  # what another test has uploaded may lack this one's signature
        self.folder.mkdir()
        asked = self.asked

        class Told(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:  # noqa: ANN401  as the base class has it
                asked.append(self.path)

        handler = functools.partial(Told, directory=str(self.folder))
        self._server = ThreadingHTTPServer((self._fleet.lab.plan.gateway, PORT), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def key(self, name: str) -> str:
        """The public half of a key; made when it is first asked for."""
        secret = self._secret(name)
        if not secret.exists():
            write(secret, self._fleet.nix("key", "generate-secret", "--key-name", f"{name}-1").stdout, 0o600)
        return self._fleet.nix("key", "convert-secret-to-public", said=secret.read_text()).stdout.strip()

    def upload(self, path: str, key: str = "") -> None:
        """With a signature by that key, or with none."""
        if key:
            self.key(key)
        signed = f"?secret-key={self._secret(key)}" if key else ""
        self._fleet.nix("copy", "--to", f"file://{self.folder}{signed}", path)

    def _secret(self, name: str) -> Path:
        return self._fleet.folder / f"{name}.key"
