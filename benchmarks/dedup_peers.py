"""Environments of their own for the tools that gristmill's dedup is compared with."""

import hashlib
import os
import subprocess
import sys

_REQUIREMENTS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "requirements")


def environment(peer: str, root: str) -> str:
    """Return the Python of the peer's environment under `root`, made unless it is up to date.

    The packages are those of requirements/bench-PEER.txt, by version and hash; pip's own settings,
    mirrors and caches apply.
    """
    requirements = os.path.join(_REQUIREMENTS, f"bench-{peer}.txt")
    with open(requirements, "rb") as stream:
        wanted = hashlib.file_digest(stream, "sha256").hexdigest() + f" {sys.version}"
    directory = os.path.join(root, peer)
    python, stamp = os.path.join(directory, "bin", "python"), os.path.join(directory, "stamp")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as text:
            if text.read() == wanted:
                return python
    print(f"installing {peer} (hash-locked) into {directory} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
    subprocess.run(
        [
            python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet",
            "--require-hashes", "-r", requirements,
        ],
        check=True,
    )  # fmt: skip
    with open(stamp, "w", encoding="utf-8") as text:
        text.write(wanted)
    return python
