"""What the front door refuses by looking at an item alone: keys, names and sizes."""

import re
from dataclasses import replace

from gristmill.runtime.model import (
    CrawlItem,
    Origin,
    Reason,
    RefusalReason,
    Refused,
    key_problem,
)

NAME_BYTES = 4096
"""The longest path, address or other text about an origin: what file systems take for a path."""

# Of Unicode, too: separators of lines, what turns the direction of writing, most that is not seen.
# Joiners and variation selectors are taken: names in Persian, in Hindi and of emoji need them.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff]"
)
_DRIVE = re.compile(r"[A-Za-z]:")
# How a name begins, as text, whose first byte is not UTF-8: no separator, though it looks like one.
_ESCAPED_BYTE = re.compile(r"\\x[89a-f][0-9a-f]")
# What a source may say of a file that it did not read; all others are for stages to say.
_FAULTS = frozenset(
    {
        Reason.ARCHIVE_LIMIT,
        Reason.EMPTY,
        Reason.NOT_A_FILE,
        Reason.TOO_LARGE,
        Reason.UNDECODABLE,
        Reason.UNREADABLE,
        Reason.UNSAFE_MEMBER,
    }
)


def refused_key(key: str) -> Refused | None:
    """Return why a key cannot be taken, None where it can."""
    problem = key_problem(key)
    return Refused(RefusalReason.KEY_UNFIT, problem) if problem else None


def refused_origin(origin: Origin, *, is_read: bool = True) -> Refused | None:
    """Return why an origin cannot be taken; a file that was not read may have an unsafe path."""
    if not (origin.path or origin.url):
        return Refused(RefusalReason.FIELD_MISSING, "origin has neither path nor url")
    for name in ("path", "url", "repository", "revision", "source", "licence", "crawl"):
        text: str = getattr(origin, name)
        if len(text) > NAME_BYTES or len(text.encode()) > NAME_BYTES:
            detail = f"origin.{name} is longer than {NAME_BYTES} bytes"
            return Refused(RefusalReason.NAME_TOO_LONG, detail)
        if _CONTROL.search(text):
            detail = f"origin.{name} holds a control character, or one that is not seen"
            return Refused(RefusalReason.NAME_UNSAFE, detail)
    if is_read and _is_outside(origin.path):
        return Refused(RefusalReason.NAME_UNSAFE, "origin.path is absolute or points outside")
    if _is_outside(origin.repository):
        detail = "origin.repository is absolute or points outside"
        return Refused(RefusalReason.NAME_UNSAFE, detail)
    return None


def refused_item(item: CrawlItem, max_file_bytes: int) -> Refused | None:
    """Return why an item cannot be taken, None where it can."""
    if item.fault is not None and item.fault not in _FAULTS:
        detail = f"unread.fault: {item.fault} is not for a source to say"
        return Refused(RefusalReason.FIELD_UNFIT, detail)
    if item.fault is None and item.size_bytes > max_file_bytes:
        detail = f"{item.size_bytes} bytes; files may have {max_file_bytes}"
        return Refused(RefusalReason.TOO_LARGE, detail)
    return refused_origin(item.origin, is_read=item.fault is None)


def without_unsafe_name(item: CrawlItem) -> CrawlItem:
    """Return a member of an archive, without its content where its name is none that is taken."""
    refused = None if item.fault is not None else refused_origin(item.origin)
    if refused is None or refused.reason is not RefusalReason.NAME_UNSAFE:
        return item
    return replace(item, content=None, fault=Reason.UNSAFE_MEMBER, detail=refused.detail)


def _is_outside(path: str) -> bool:
    if path.startswith(("/", "\\")) and not _ESCAPED_BYTE.match(path):
        return True
    return _DRIVE.match(path) is not None or ".." in _parts(path)


def _parts(path: str) -> list[str]:
    return path.replace("\\", "/").split("/")
