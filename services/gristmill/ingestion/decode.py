"""Bytes to text: which encoding a file is in, and whether it is text at all.

Byte order marks decide first, then strict UTF-8, then a statistical guess over the first 64 KiB.
A file with NUL bytes or many control characters is binary, whatever it decodes to.
"""

import codecs
from dataclasses import dataclass

import charset_normalizer

from gristmill.runtime.model import Reason

# UTF-32 before UTF-16: its little-endian mark begins with the other's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 << 10
_COMMON = "cp1252"  # by far the commonest of the older encodings in code
# What code was ever written in. Rarer code pages win by chance where a text has few accents.
_ENCODINGS = [
    _COMMON, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2",
    "iso8859_5", "iso8859_7", "iso8859_9", "koi8_r", "koi8_u", "cp437", "cp850", "cp866", "cp874",
    "mac_roman", "cp932", "euc_jp", "gb18030", "big5", "cp949",
]  # fmt: skip
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b"))
_MAX_CONTROL_SHARE = 0.02  # a form feed or an escape sequence is fine, one byte in fifty is not


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text and the encoding that it was in, by Python's name."""

    content: str
    encoding: str


def decode(content: bytes) -> Text | Reason:
    r"""Return the text, or BINARY or UNDECODABLE.

    >>> decode(b"caf\xc3\xa9")
    Text(content='café', encoding='utf-8')
    >>> decode(b"GIF89a\x00\x01").value
    'binary'
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content, encoding) or Reason.UNDECODABLE
    if _is_binary(content):
        return Reason.BINARY
    return _strict(content, "utf-8") or _guessed(content) or Reason.UNDECODABLE


def _strict(content: bytes, encoding: str) -> Text | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    # NUL after decoding, or half of a surrogate pair (UTF-7 can write one): no table holds that.
    if "\0" in text or (encoding != "utf-8" and not _is_valid(text)):
        return None
    return Text(text, encoding)


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_binary(content: bytes) -> bool:
    if b"\0" in content:
        return True
    sample = content[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > _MAX_CONTROL_SHARE * len(sample)


def _guessed(content: bytes) -> Text | None:
    matches = charset_normalizer.from_bytes(_sample(content), cp_isolation=_ENCODINGS)
    best = matches.best()
    if best is None:
        return None
    # On a handful of accents others score by chance a little better than the common one.
    for match in matches:
        near = match.chaos <= best.chaos + 0.03 and match.coherence >= best.coherence - 0.15
        if near and _COMMON in match.could_be_from_charset:
            return _strict(content, _COMMON) or _strict(content, best.encoding)
    # The sample may mislead about the rest: strict on the whole decides.
    return _strict(content, best.encoding)


def _sample(content: bytes) -> bytes:
    if len(content) <= _SAMPLE_BYTES:
        return content
    # A line's end is never inside a character, in any encoding without a mark.
    return content[: content.rfind(b"\n", 0, _SAMPLE_BYTES) + 1 or _SAMPLE_BYTES]
