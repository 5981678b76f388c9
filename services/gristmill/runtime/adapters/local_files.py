"""Listing what lies under a local path: a directory tree, a glob, one file.

Links are listed and not followed, except one that the user named.
"""

import glob
import os
import stat
from collections.abc import Callable, Iterator

from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.items import Item
from gristmill.runtime.adapters.selection import Opening
from gristmill.runtime.model import BadInput

TypeOf = Callable[[bytes], str]


def find(
    argument: bytes, skip: tuple[bytes, ...], opening: Opening, *, open_named: Opening
) -> tuple[bytes, list[Item]]:
    """Return the root and what lies under it, not yet sorted.

    `open_named` holds for a file that is named itself. Raises BadInput for what is not there.
    """
    if os.path.isdir(argument):
        return argument, list(_walk(argument, b"", skip, opening.type_of))
    if os.path.lexists(argument):
        real = os.path.realpath(argument)  # a link that the user named is followed
        root, name = os.path.split(real)
        return root, [item_at(real, name, open_named.type_of)]
    if glob.has_magic(argument):
        return _glob(argument, skip, opening.type_of)
    raise BadInput(f"there is no file or directory {text_path(argument)}")


def item_at(found: "os.DirEntry[bytes] | bytes", path: bytes, type_of: TypeOf) -> Item:
    """Return the item of what stands there now."""
    try:
        status = os.lstat(found) if isinstance(found, bytes) else found.stat(follow_symlinks=False)
    except OSError as error:  # it vanished between the two calls
        return Item(path, 0, 0, "unreadable", (error.strerror or str(error)).lower())
    if not stat.S_ISREG(status.st_mode):
        return Item(path, 0, status.st_mtime_ns, "other")
    return Item(path, status.st_size, status.st_mtime_ns, type_of(path))


def _glob(pattern: bytes, skip: tuple[bytes, ...], type_of: TypeOf) -> tuple[bytes, list[Item]]:
    matches = glob.glob(pattern, recursive=True, include_hidden=True)
    if not matches:
        raise BadInput(f"nothing matches {text_path(pattern)}")
    fixed = pattern.split(b"/")
    root = b"/".join(fixed[: next(i for i, part in enumerate(fixed) if glob.has_magic(part))])
    root = root or (b"/" if pattern.startswith(b"/") else b".")
    items: dict[bytes, Item] = {}
    for match in matches:
        if _is_skipped(match, skip):
            continue
        relative = os.path.relpath(match, root)
        relative = b"" if relative == b"." else relative  # `**` matches the root too
        if os.path.isdir(match) and not os.path.islink(match):
            found = list(_walk(root, relative, skip, type_of))
        else:
            found = [item_at(match, relative, type_of)]
        items.update((item.path, item) for item in found)
    return root, list(items.values())


def _is_skipped(match: bytes, skip: tuple[bytes, ...]) -> bool:
    # The link itself stands where it stands, whatever it points at.
    real = os.path.join(os.path.realpath(os.path.dirname(match)), os.path.basename(match))
    return any(real == one or real.startswith(one + b"/") for one in skip)


def _walk(root: bytes, start: bytes, skip: tuple[bytes, ...], type_of: TypeOf) -> Iterator[Item]:
    """Yield everything under `root/start` that is not a directory, depth first."""
    pending = [start]
    names = {os.path.basename(path) for path in skip}
    while pending:
        relative = pending.pop()
        directory = os.path.join(root, relative)
        named_like_it = not relative or os.path.basename(directory) in names
        if named_like_it and os.path.realpath(directory) in skip:
            continue
        try:
            with os.scandir(directory) as found:
                children = list(found)
        except OSError as error:
            detail = (error.strerror or str(error)).lower()
            yield Item(relative or b".", 0, 0, "folder", detail)
            continue
        for child in children:
            path = os.path.join(relative, child.name) if relative else child.name
            if child.is_dir(follow_symlinks=False):
                pending.append(path)
            else:
                yield item_at(child, path, type_of)
