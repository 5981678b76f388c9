"""Objects of a git repository, out of its packs and loose files, and out of nothing else.

No configuration, hook, filter, alternate or promised object is looked at: what a stranger put there
says nothing here. dulwich finds and unpacks; here sizes are looked at before anything is unpacked,
and what comes out is held against the object's id.
"""

import io
import mmap
import os
import re
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from dulwich.errors import ApplyDeltaError
from dulwich.object_format import SHA1, SHA256, ObjectFormat
from dulwich.objects import ObjectID, RawObjectID
from dulwich.pack import (
    PackData,
    PackIndex,
    apply_delta,
    load_pack_index_file,
    take_msb_bytes_at,
    unpack_object_at,
)

from gristmill.runtime.adapters.archive_member import LimitReachedError
from gristmill.runtime.adapters.files import open_regular

BLOB, TREE, COMMIT = b"blob", b"tree", b"commit"
MAX_WORK_BYTES = 256 << 20
"""Bytes that may be unpacked on the way to one object: deltas build on deltas."""

_TYPES = {1: COMMIT, 2: TREE, 3: BLOB, 4: b"tag"}
_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_MAX_CHAIN = 4096  # as long as git makes them
_CACHE_BYTES = 32 << 20  # bases of deltas: neighbours in a pack share them
_HEADER_BYTES = 64  # hold the type and the size of any loose object
_ERRORS = (
    ApplyDeltaError, AssertionError, EOFError, IndexError, KeyError, OverflowError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip
_PACK_NAME = re.compile(rb"pack-[0-9a-f]{4,64}")


class AbsentError(Exception):
    """The repository does not hold the object: it is a partial or a shallow clone."""


class DamagedError(Exception):
    """What the repository holds is no such object; the text says why."""


def object_format(commit_id: bytes) -> ObjectFormat:
    """Return the format of a repository whose commits have ids like this one."""
    return SHA256 if len(commit_id) == SHA256.hex_length else SHA1


@dataclass(frozen=True, slots=True)
class _Pack:
    index: PackIndex
    data: PackData
    contents: "bytes | mmap.mmap"


class GitObjects:
    """The objects of one repository, by their ids in hexadecimal digits."""

    def __init__(self, directory: bytes, format_: ObjectFormat) -> None:
        """Open the packs of a repository's git directory; a broken one is as good as none."""
        self._objects = os.path.join(directory, b"objects")
        self._format = format_
        self._cache: OrderedDict[tuple[int, int], tuple[int, bytes]] = OrderedDict()
        self._cached_bytes = 0
        self.warnings: list[str] = []
        self._packs = [pack for name in self._pack_names() if (pack := self._open_pack(name))]

    def close(self) -> None:
        """Close all files."""
        self._cache.clear()
        for pack in self._packs:
            pack.index.close()
            pack.data.close()

    def num_bytes(self) -> int:
        """Return how many bytes the objects take as they are stored."""
        return _loose_bytes(self._objects) + sum(len(pack.contents) for pack in self._packs)

    def size(self, id_: bytes) -> int:
        """Return an object's size without unpacking it. Raises AbsentError, DamagedError."""
        with _explained():
            if (found := self._find(id_)) is not None:
                pack, offset = found
                return self._size_at(pack, offset)
            return self._loose_header(id_)[1]

    def read(self, id_: bytes, type_: bytes, max_bytes: int) -> bytes:
        """Return an object's bytes, held against its id.

        Raises AbsentError, DamagedError, and LimitReachedError for what is larger than `max_bytes`
        or takes too much to unpack.
        """
        with _explained():
            if (found := self._find(id_)) is not None:
                if (size := self._size_at(*found)) > max_bytes:
                    raise LimitReachedError(f"an object of {size:,} bytes")
                number, content = self._resolved(*found)
                is_type = _TYPES.get(number, b"")
            else:
                is_type, content = self._read_loose(id_, max_bytes)
        if is_type != type_:
            raise DamagedError(f"it is no {type_.decode()}")
        digest = self._format.hash_func()
        digest.update(b"%s %d\0" % (type_, len(content)))
        digest.update(content)
        if digest.hexdigest().encode() != id_:
            raise DamagedError("its bytes are not those that its id stands for")
        return content

    # --- packs ------------------------------------------------------------------------------------

    def _pack_names(self) -> list[bytes]:
        directory = os.path.join(self._objects, b"pack")
        if os.path.islink(directory) or not os.path.isdir(directory):
            return []
        names = os.listdir(directory)
        stems = sorted(name[:-4] for name in names if name.endswith(b".idx"))
        return [stem for stem in stems if _PACK_NAME.fullmatch(stem)]

    def _open_pack(self, name: bytes) -> _Pack | None:
        stem = os.path.join(self._objects, b"pack", name)
        index: PackIndex | None = None
        try:
            with _explained():
                with open_buffered(stem + b".idx")[0] as file:  # mapped, it need not stay open
                    index = load_pack_index_file(os.fsdecode(stem), file, self._format)
                with open_buffered(stem + b".pack")[0] as file:
                    data = PackData(os.fsdecode(stem), self._format, file=file)
        except (OSError, DamagedError) as error:
            if index is not None:
                index.close()
            self.warnings.append(f"the pack {name.decode()} cannot be read: {error}")
            return None
        return _Pack(index, data, data._buffer())  # the mapping has no other name

    def _find(self, id_: bytes) -> tuple[_Pack, int] | None:
        for pack in self._packs:
            try:
                return pack, pack.index.object_offset(ObjectID(id_))
            except KeyError:
                continue
        return None

    def _header(self, pack: _Pack, offset: int) -> tuple[int, int, int]:
        """Return type, size and where the rest begins."""
        if not 12 <= offset < len(pack.contents):
            raise DamagedError("its index points outside its pack")
        raw, at, _ = take_msb_bytes_at(pack.contents, offset)
        size = raw[0] & 0x0F
        for place, byte in enumerate(raw[1:10]):
            size |= (byte & 0x7F) << (7 * place + 4)
        return (raw[0] >> 4) & 0x07, size, at

    def _size_at(self, pack: _Pack, offset: int) -> int:
        number, size, at = self._header(pack, offset)
        if number == _OFFSET_DELTA:
            _, at, _ = take_msb_bytes_at(pack.contents, at)
        elif number == _REFERENCE_DELTA:
            at += self._format.oid_length
        else:
            return size
        begin = zlib.decompressobj().decompress(pack.contents[at : at + 256], 32)
        return _delta_sizes(begin)[1]

    def _resolved(self, pack: _Pack, offset: int) -> tuple[int, bytes]:
        """Return type and bytes of what stands in a pack, built from what it is a delta of."""
        deltas: list[tuple[_Pack, int, bytes]] = []
        work = 0
        while True:
            if (cached := self._cache.get((id(pack), offset))) is not None:
                self._cache.move_to_end((id(pack), offset))
                number, content = cached
                break
            number, size, _ = self._header(pack, offset)
            work += size
            if work > MAX_WORK_BYTES or len(deltas) > _MAX_CHAIN:
                raise LimitReachedError("unpacking it takes more than is allowed")
            unpacked, _ = unpack_object_at(pack.contents, offset, self._format.hash_func)
            content = b"".join(unpacked.decomp_chunks)
            if number not in {_OFFSET_DELTA, _REFERENCE_DELTA}:
                if deltas:
                    self._remember(pack, offset, number, content)
                break
            work += _delta_sizes(content)[1]
            deltas.append((pack, offset, content))
            base = unpacked.delta_base
            if isinstance(base, int):
                offset -= base
            else:
                assert base is not None, "a delta names its base"
                pack, offset = self._base(RawObjectID(base))
        for on, at, delta in reversed(deltas):
            content = b"".join(apply_delta(content, delta))
            self._remember(on, at, number, content)
        return number, content

    def _base(self, id_: RawObjectID) -> tuple[_Pack, int]:
        found = self._find(id_.hex().encode())
        if found is None:
            raise AbsentError("what it is a delta of is not in this repository")
        return found

    def _remember(self, pack: _Pack, offset: int, number: int, content: bytes) -> None:
        if (id(pack), offset) in self._cache:
            return
        self._cache[id(pack), offset] = (number, content)
        self._cached_bytes += len(content)
        while self._cached_bytes > _CACHE_BYTES:
            _, (_, oldest) = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)

    # --- loose objects ----------------------------------------------------------------------------

    def _loose(self, id_: bytes) -> IO[bytes]:
        folder = os.path.join(self._objects, id_[:2])
        try:
            if os.path.islink(folder):
                raise DamagedError("a folder of its objects is a link")
            return open_buffered(os.path.join(folder, id_[2:]))[0]
        except FileNotFoundError as error:
            raise AbsentError("it is not in this repository") from error
        except OSError as error:
            raise DamagedError((error.strerror or str(error)).lower()) from error

    def _loose_header(self, id_: bytes) -> tuple[bytes, int]:
        with self._loose(id_) as file:
            begin = zlib.decompressobj().decompress(file.read(4096), _HEADER_BYTES)
        return _parsed_header(begin)

    def _read_loose(self, id_: bytes, max_bytes: int) -> tuple[bytes, bytes]:
        type_, size = self._loose_header(id_)
        if size > max_bytes:
            raise LimitReachedError(f"an object of {size:,} bytes")
        length = len(type_) + len(str(size)) + 2
        with self._loose(id_) as file:
            unpacker = zlib.decompressobj()
            found = unpacker.decompress(file.read(size + (64 << 10)), length + size + 1)
        if len(found) != length + size or not unpacker.eof:
            raise DamagedError("it is not as long as it says")
        return type_, found[length:]


def open_buffered(path: bytes) -> tuple[io.BufferedReader, int]:
    """Open a regular file; no link is followed. Return it, and its size."""
    file, size = open_regular(path)
    return io.BufferedReader(file), size


def _loose_bytes(objects: bytes) -> int:
    """Return how many bytes the loose objects of a repository take."""
    total = 0
    for first in range(256):
        try:
            with os.scandir(os.path.join(objects, b"%02x" % first)) as found:
                total += sum(one.stat(follow_symlinks=False).st_size for one in found)
        except OSError:
            continue
    return total


def _parsed_header(begin: bytes) -> tuple[bytes, int]:
    type_, space, rest = begin.partition(b" ")
    size, nul, _ = rest.partition(b"\0")
    if not space or not nul or not size.isdigit():
        raise DamagedError("it is no object")
    return type_, int(size)


def _delta_sizes(delta: bytes) -> tuple[int, int]:
    """Return the sizes of what a delta is applied to and of what it makes."""
    sizes, at = [], 0
    for _ in range(2):
        size, place = 0, 0
        while True:
            byte = delta[at]
            size |= (byte & 0x7F) << place
            at, place = at + 1, place + 7
            if not byte & 0x80:
                break
        sizes.append(size)
    return sizes[0], sizes[1]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise DamagedError(str(error).lower()[:150] or type(error).__name__) from error
