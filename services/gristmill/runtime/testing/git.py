"""Git repositories for tests, honest and hostile ones, without a git on the machine."""

import hashlib
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dulwich.objects import RawObjectID
from dulwich.pack import write_pack_index_v2
from dulwich.repo import Repo

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000

Entry = tuple[bytes, int, bytes]
"""Name, mode and id of what a tree lists."""


class GitRepository:
    """A bare repository that is written object by object; nothing checks what is written."""

    def __init__(self, directory: str, *, bare: bool = True) -> None:
        """Make an empty one."""
        self.directory = directory if bare else os.path.join(directory, ".git")
        repository = (
            Repo.init_bare(directory, mkdir=True) if bare else Repo.init(directory, mkdir=True)
        )
        repository.close()

    def write(self, type_: bytes, content: bytes) -> bytes:
        """Write a loose object; return its id."""
        data = b"%s %d\0" % (type_, len(content)) + content
        id_ = hashlib.sha1(data).hexdigest().encode()  # noqa: S324  # git's own choice
        path = self.path_of(id_)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(zlib.compress(data))
        return id_

    def path_of(self, id_: bytes) -> str:
        """Return where a loose object lies."""
        text = id_.decode()
        return os.path.join(self.directory, "objects", text[:2], text[2:])

    def blob(self, content: bytes) -> bytes:
        """Write a file's content; return its id."""
        return self.write(b"blob", content)

    def tree(self, entries: Sequence[Entry]) -> bytes:
        """Write a tree as it is given; return its id."""
        lines = (
            b"%o %s\0" % (mode, name) + bytes.fromhex(id_.decode()) for name, mode, id_ in entries
        )
        return self.write(b"tree", b"".join(lines))

    def commit(self, tree: bytes, message: str = "files") -> bytes:
        """Commit a tree on the branch of HEAD; return the commit's id."""
        who = b"A <a@b> 0 +0000"
        text = b"tree %s\nauthor %s\ncommitter %s\n\n%s\n" % (tree, who, who, message.encode())
        id_ = self.write(b"commit", text)
        with open(os.path.join(self.directory, "HEAD"), encoding="ascii") as head:
            ref = head.read().removeprefix("ref: ").strip()
        with open(os.path.join(self.directory, ref), "w", encoding="ascii") as branch:
            branch.write(f"{id_.decode()}\n")
        return id_

    def commit_files(self, files: Mapping[str, bytes]) -> bytes:
        """Commit files by their paths; return the commit's id."""
        return self.commit(self._tree_of({os.fsencode(path): c for path, c in files.items()}))

    def _tree_of(self, files: Mapping[bytes, bytes]) -> bytes:
        folders: dict[bytes, dict[bytes, bytes]] = {}
        entries: list[Entry] = []
        for path, content in files.items():
            first, slash, rest = path.partition(b"/")
            if slash:
                folders.setdefault(first, {})[rest] = content
            else:
                entries.append((path, FILE, self.blob(content)))
        entries += [(name, FOLDER, self._tree_of(inner)) for name, inner in folders.items()]
        return self.tree(sorted(entries, key=lambda one: one[0] + b"/" * (one[1] == FOLDER)))

    def pack(self, entries: "Sequence[PackEntry]") -> str:
        """Write a pack and its index, as they are given; return the pack's path."""
        pack = b"PACK" + struct.pack(">LL", 2, len(entries))
        places: list[int] = []
        for entry in entries:
            places.append(len(pack))
            pack += _header(entry.type, len(entry.data) if entry.size is None else entry.size)
            if isinstance(entry.base, int):
                pack += _offset(places[-1] - places[entry.base])
            pack += entry.base if isinstance(entry.base, bytes) else b""
            pack += zlib.compress(entry.data)
        checksum = hashlib.sha1(pack).digest()  # noqa: S324  # git's own choice
        stem = os.path.join(self.directory, "objects", "pack", f"pack-{checksum.hex()}")
        os.makedirs(os.path.dirname(stem), exist_ok=True)
        with open(f"{stem}.pack", "wb") as file:
            file.write(pack + checksum)
        rows = sorted(
            (bytes.fromhex(e.id.decode()), at) for e, at in zip(entries, places, strict=True)
        )
        with open(f"{stem}.idx", "wb") as file:
            write_pack_index_v2(file, [(RawObjectID(id_), at, 0) for id_, at in rows], checksum)
        return f"{stem}.pack"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """One object of a pack: its id, git's number of its type, and its bytes.

    `base` is what a delta is applied to: the number of an entry before it (type 6) or an id in
    bytes (type 7). `size` is what its header says; None tells the truth.
    """

    id: bytes
    type: int
    data: bytes
    base: int | bytes | None = None
    size: int | None = None


def blob_id(content: bytes) -> bytes:
    """Return the id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest().encode()  # noqa: S324


def _header(type_: int, size: int) -> bytes:
    first, size = type_ << 4 | size & 0x0F, size >> 4
    found = bytearray()
    while size:
        found.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes(found) + bytes([first])


def _offset(distance: int) -> bytes:
    found = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        found.append(0x80 | distance & 0x7F)
    return bytes(reversed(found))
