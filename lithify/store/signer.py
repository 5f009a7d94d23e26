"""Signs bytes in a process of its own, which was started before the user namespace was entered.

So gpg finds the user's own agent, which may ask for a passphrase, and no secret key is ever read by the process that runs
builds. One request a line: base64 in; base64 of each signature out, or ``!`` and what went wrong.
"""

from __future__ import annotations

import json
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, TextIO

from lithify.errors import LithifyError
from lithify.process import run

GPG, ED25519 = "ostree.gpgsigs", "ostree.sign.ed25519"
"""Where OSTree keeps signatures in a commit's detached metadata; each of type ``aay``."""


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more; the first line says which keys sign, and with which environment."""
    order = json.loads(requests.readline())
    for line in requests:
        try:
            answer = json.dumps(
                {kind: b64encode(made).decode() for kind, made in _sign(order, b64decode(line))}
            )
        except (LithifyError, OSError) as error:
            answer = "!" + " ".join(str(error).split())
        answers.write(f"{answer}\n")
        answers.flush()


def _sign(order: Mapping[str, Any], data: bytes) -> list[tuple[str, bytes]]:
    made = []
    environment = order["environment"]
    if order["gpg"]:
        homedir = ["--homedir", order["gpg-homedir"]] if order["gpg-homedir"] else []
        line = [
            "gpg",
            "--batch",
            "--no-tty",
            "--quiet",
            *homedir,
            "--local-user",
            order["gpg"],
            "--detach-sign",
        ]
        made.append((GPG, run([*line, "--output", "-"], stdin=data, env=environment).stdout))
    if order["ed25519"]:
        with tempfile.NamedTemporaryFile() as file:  # openssl must know the length before it begins
            file.write(data)
            file.flush()
            line = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", order["ed25519"], "-in", file.name]
            made.append((ED25519, run(line, env=environment).stdout))
    return made
