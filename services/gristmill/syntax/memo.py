"""What was found in texts before, by content, language and rules.

The last ones are at hand in this process; a memo may hold those of other processes and runs. That a
text used up its CPU seconds is remembered, too, until it may use more. That it took all memory or
crashed its process is not: that may have been the machine.
"""

import hashlib
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from gristmill.runtime.model.features import Features
from gristmill.runtime.ports import Memo
from gristmill.syntax.verdict import Verdict

Examined: TypeAlias = tuple[Verdict, Features | None]

_REMEMBERED: Final = 4096
_KEY_BYTES: Final = 16
_MEANING: Final = 2
"""Grows when what is remembered comes to mean another thing, as the seconds of `UsedUp` did."""


@dataclass(frozen=True, slots=True)
class UsedUp:
    """In place of a verdict: the text used up its CPU seconds, of so many for 256 KiB."""

    cpu_seconds: float


class Remembered:
    """Finds what was found before; `rules` names everything that a verdict depends on."""

    def __init__(self, rules: str) -> None:
        self._rules = f"{_MEANING} {rules}"
        self._last: OrderedDict[bytes, Examined | UsedUp] = OrderedDict()
        self.memo: Memo | None = None
        self.cpu_seconds = 0.0
        """What 256 KiB of text may use; it is the same as long as the process runs."""

    def get(self, content_sha256: str, language: str) -> Examined | UsedUp | None:
        """Return what is known of a text in a language."""
        key = self._key(content_sha256, language)
        if (known := self._last.get(key)) is not None:
            self._last.move_to_end(key)
            return known
        value = None if self.memo is None else self.memo.get(key)
        found = None if value is None else _decode(value)
        if isinstance(found, UsedUp) and found.cpu_seconds < self.cpu_seconds:
            return None
        if found is not None:
            self._keep(key, found)
        return found

    def put_ended(self, content_sha256: str, language: str) -> None:
        """Remember that a text used up its CPU seconds."""
        self.put(content_sha256, language, UsedUp(self.cpu_seconds))

    def put(self, content_sha256: str, language: str, found: Examined | UsedUp) -> None:
        """Remember what was found."""
        key = self._key(content_sha256, language)
        self._keep(key, found)
        if self.memo is not None:
            self.memo.put(key, _encode(found))

    def _key(self, content_sha256: str, language: str) -> bytes:
        told = f"{self._rules}\0{language}\0{content_sha256}"
        return hashlib.sha256(told.encode()).digest()[:_KEY_BYTES]

    def _keep(self, key: bytes, found: Examined | UsedUp) -> None:
        self._last[key] = found
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)


def _encode(found: Examined | UsedUp) -> bytes:
    if isinstance(found, UsedUp):
        return pickle.dumps(found.cpu_seconds)
    verdict, features = found
    fields = tuple(getattr(verdict, name) for name in Verdict.__slots__)
    return pickle.dumps((fields, None if features is None else tuple(features)))


def _decode(value: bytes) -> Examined | UsedUp | None:
    """Return what a value says, None for one that is damaged."""
    try:
        # Ours alone wrote it: whoever writes into the output may change the tables as well.
        loaded = pickle.loads(value)  # noqa: S301
        if isinstance(loaded, float):
            return UsedUp(loaded)
        fields, features = loaded
        verdict = Verdict(**dict(zip(Verdict.__slots__, fields, strict=True)))
        return verdict, None if features is None else Features._make(features)
    except (pickle.UnpicklingError, TypeError, ValueError, EOFError, LookupError, AttributeError):
        return None
