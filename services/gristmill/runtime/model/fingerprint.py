"""A short name for a set of settings, the same on every machine."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def fingerprint(*settings: "DataclassInstance") -> str:
    """Return 8 hex digits that change when any field of any of the settings does."""
    text = json.dumps([[type(s).__name__, asdict(s)] for s in settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
