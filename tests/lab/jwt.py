"""What `nsc` makes: an operator, an account with JetStream and a user, each signed by the one above, and the user's file."""

import base64
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import nkeys

OPERATOR, ACCOUNT, USER = (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
CREDENTIALS = """\
-----BEGIN NATS USER JWT-----
{token}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""
UNBOUNDED = {"subs": -1, "data": -1, "payload": -1}


class Key:
    """A key pair of that kind."""

    def __init__(self, kind: int) -> None:
        self.seed = bytes(nkeys.encode_seed(os.urandom(32), kind))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = str(self._pair.public_key.decode())

    def sign(self, subject: "Key", name: str, said: dict[str, Any]) -> str:
        """A token of NATS: what this key says of that one."""
        claims = {"jti": uuid.uuid4().hex, "iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": name}
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, {**claims, "nats": {**said, "version": 2}}]
        text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{text}.{_encoded(self._pair.sign(text.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def operated(file: Path) -> str:
    """Lines of a server that knows nobody but by tokens. ``file``: where the credentials of its one user are put."""
    operator, system, account, user = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {**UNBOUNDED, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    tokens = {
        "operator": operator.sign(operator, "fleet", {"type": "operator"}),
        "system": operator.sign(system, "SYS", {"type": "account", "limits": limits}),
        "account": operator.sign(account, "clavel", {"type": "account", "limits": {**limits, **storage}}),
        "user": account.sign(user, "claveld", {"type": "user", **UNBOUNDED}),
    }
    file.write_text(CREDENTIALS.format(token=tokens["user"], seed=user.seed.decode()))
    known = f"{{ {account.public}: {tokens['account']}, {system.public}: {tokens['system']} }}"
    return f"operator: {tokens['operator']}\nsystem_account: {system.public}\nresolver: MEMORY\nresolver_preload {known}\n"
