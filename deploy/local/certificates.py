"""A certificate authority for one machine, and what it signs; openssl does the work.

For `make up TLS=1` and for tests. Who holds the folder can be anybody on this machine's services:
it is no authority for anything else.
"""

import os
import shutil
import subprocess
from pathlib import Path

CA, CA_KEY = "ca.pem", "ca.key"
DAYS = 30
_DAYS_OF_AUTHORITY = 3650  # it stays as long as its folder

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


class CertificateError(Exception):
    """A certificate could not be made; the message says why."""


def make_authority(folder: Path, name: str = "Gristmill of this machine") -> None:
    """Make an authority in the folder; one that is there already stays."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / CA).exists():
        own = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _make(folder, "ca", name, own, days=_DAYS_OF_AUTHORITY)


def issue(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate and a key that the folder's authority vouches for; return the paths.

    It is good for a server on loopback and for a client whose name it bears.
    """
    signed = ("-CA", str(folder / CA), "-CAkey", str(folder / CA_KEY))
    more = ("-addext", _NAMES, "-addext", "basicConstraints=critical,CA:FALSE")
    return _make(folder, name, name, (*signed, *more))


def _make(
    folder: Path, file: str, name: str, options: tuple[str, ...], *, days: int = DAYS
) -> tuple[Path, Path]:
    """Make a key and a certificate; neither is ever there half."""
    if shutil.which("openssl") is None:
        raise CertificateError("certificates are made by openssl, which is not installed")
    new = [folder / f"{file}.{kind}.new" for kind in ("pem", "key")]
    command = [
        *("openssl", "req", "-x509", *_NEW_KEY, "-days", str(days), "-subj", f"/CN={name}"),
        *("-out", str(new[0]), "-keyout", str(new[1]), *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CertificateError(f"openssl makes no certificate: {done.stderr.strip()[-500:]}")
    paths = [folder / f"{file}.{kind}" for kind in ("pem", "key")]
    for made, path in zip(new, paths, strict=True):
        os.replace(made, path)
    return paths[0], paths[1]
