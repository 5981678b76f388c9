"""Rows of JSON lines, plain or compressed by gzip or zstd: one object a line.

A line that is none, or that is too long, is one odd row. Of a key that comes twice the last one
counts, as in most readers. Blank lines are no rows.
"""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import zstandard

from gristmill.runtime.adapters.archive_member import STEP_BYTES, ArchiveLimits
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.adapters.table_values import (
    MAX_LICENCES,
    MAX_NAME_BYTES,
    Odd,
    RawRow,
    Value,
    odd_type,
    too_long,
)
from gristmill.runtime.model import Reason

_MAX_WINDOW_BYTES = 128 << 20  # zstd may ask for this much memory
_FED_BYTES = 1 << 10  # of zstd at a time: a kibibyte unpacks to 32 MiB at most
_OTHER_BYTES = 1 << 20  # what a line may hold beside its content
LOOKED_AT = 1000  # lines in which the content's column has to show up


def read_json_lines(
    file: io.RawIOBase, name: bytes, columns: Columns, limits: ArchiveLimits
) -> Iterator[RawRow]:
    """Yield a row for each line. Raises ARCHIVE_ERRORS where the stream is broken."""
    # JSON writes a character of one byte in six at most.
    for number, line in _lines(file, name, 6 * limits.max_member_bytes + _OTHER_BYTES):
        if isinstance(line, int):
            yield _odd_row(number, line, Odd(fault=Reason.TOO_LARGE, size_bytes=line))
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            detail = f"not a line of JSON: {str(error).lower()}"
            yield _odd_row(number, len(line), Odd(fault=Reason.UNREADABLE, detail=detail))
            continue
        if not isinstance(found, dict):
            detail = "a line of JSON that is no object"
            yield _odd_row(number, len(line), Odd(fault=Reason.UNREADABLE, detail=detail))
            continue
        values = {
            key: _value(key, found.get(column), limits.max_member_bytes)
            for key, column in columns.named().items()
        }
        yield RawRow(number=number, values=values, num_bytes=len(line))


def json_columns(file: io.RawIOBase, name: bytes) -> list[str]:
    """Return the keys of the first LOOKED_AT lines, in the order in which they come up.

    None at all where one of them is too long to look at: it may have any.
    """
    found: dict[str, None] = {}
    for _, line in islice(_lines(file, name, _OTHER_BYTES), LOOKED_AT):
        if isinstance(line, int):
            return []
        try:
            about = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(about, dict):
            found.update(dict.fromkeys(about))
    return list(found)


def _odd_row(number: int, num_bytes: int, odd: Odd) -> RawRow:
    return RawRow(number=number, values={}, num_bytes=num_bytes, odd=odd)


# Any: what json makes of a value.
def _value(key: str, value: Any, max_bytes: int) -> Value:  # noqa: ANN401
    if key == "licence" and isinstance(value, list):
        texts = all(isinstance(one, str) for one in value)
        if not texts or len(value) > MAX_LICENCES:
            return odd_type(key, "a list of other things")
        value = ", ".join(value)
    if value is None:
        return None
    if not isinstance(value, str):
        return odd_type(key, type(value).__name__)
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        return Odd(fault=Reason.UNDECODABLE, detail=f"its {key} holds half of a surrogate pair")
    most = max_bytes if key == "content" else MAX_NAME_BYTES
    return encoded if len(encoded) <= most else too_long(key, len(encoded))


def _lines(file: io.RawIOBase, name: bytes, most: int) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and line of all that are not blank; of one that is too long its length."""
    with _stream(file, name.lower()) as stream:
        number = 0
        while line := stream.readline(most + 1):
            if len(line) > most and not line.endswith(b"\n"):
                yield number, len(line) + _skipped(stream.readline)
            elif not line.isspace():
                yield number, line
            number += 1


def _skipped(readline: Callable[[int], bytes]) -> int:
    """Read to the end of the line; return how many bytes that were."""
    count = 0
    while part := readline(STEP_BYTES):
        count += len(part)
        if part.endswith(b"\n"):
            break
    return count


def _stream(file: io.RawIOBase, name: bytes) -> io.BufferedReader:
    if name.endswith(b".gz"):
        # typeshed takes neither side for the raw stream that it is.
        raw: Any = gzip.GzipFile(fileobj=file)
        return io.BufferedReader(raw, STEP_BYTES)
    if name.endswith(b".zst"):
        return io.BufferedReader(_ZstdReader(file), STEP_BYTES)
    return io.BufferedReader(file, STEP_BYTES)


class _ZstdReader(io.RawIOBase):
    """zstd that tells a stream that breaks off from one that ends, as zstandard's own does not."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._read = memoryview(b"")
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # RawIOBase leaves its type open
        while not self._left:
            if not self._step():
                return 0
        count = min(len(self._left), len(buffer))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _step(self) -> bool:
        """Unpack a little more; False at the end."""
        if not self._read:
            self._read = memoryview(self._file.read(STEP_BYTES) or b"")
        fed, self._read = bytes(self._read[:_FED_BYTES]), self._read[_FED_BYTES:]
        if not fed:
            if self._frame is not None:
                raise EOFError("the compressed stream breaks off")
            return False
        parts = []
        while fed:
            self._frame = self._frame or self._decompressor.decompressobj()
            parts.append(self._frame.decompress(fed))
            fed = b""
            if self._frame.eof:
                fed, self._frame = self._frame.unused_data, None
        self._left = memoryview(b"".join(parts))
        return True
