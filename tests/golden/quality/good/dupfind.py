#!/usr/bin/env python3
"""List groups of identical files below one or more directories.

Files are compared in three passes, each one cheaper than reading everything:
first by size, then by a hash of the leading block, and only then by a hash of
the whole content.
"""

import argparse
import hashlib
import os
import sys
from collections import defaultdict
from pathlib import Path

HEAD_BYTES = 4096
CHUNK_BYTES = 1 << 20


def walk_files(roots, min_size):
    """Yield regular files of at least ``min_size`` bytes, skipping symlinks."""
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                path = Path(directory, name)
                if path.is_symlink() or not path.is_file():
                    continue
                if path.stat().st_size >= min_size:
                    yield path


def head_digest(path):
    with path.open("rb") as stream:
        return hashlib.sha256(stream.read(HEAD_BYTES)).digest()


def full_digest(path):
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def split_by(groups, key, on_error):
    """Refine each group by ``key`` and drop the groups left with one file."""
    for group in groups:
        buckets = defaultdict(list)
        for path in group:
            try:
                buckets[key(path)].append(path)
            except OSError as error:
                on_error(path, error)
        yield from (bucket for bucket in buckets.values() if len(bucket) > 1)


def find_duplicates(paths, on_error):
    groups = [list(paths)]
    for key in (lambda path: path.stat().st_size, head_digest, full_digest):
        groups = split_by(groups, key, on_error)
    return sorted(sorted(group) for group in groups)


def warn(path, error):
    print(f"dupfind: skipping {path}: {error.strerror}", file=sys.stderr)


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--min-size",
        type=int,
        default=1,
        metavar="BYTES",
        help="ignore smaller files (default: %(default)s, which skips empty files)",
    )
    parser.add_argument(
        "-0",
        "--null",
        action="store_true",
        help="separate paths with NUL bytes instead of newlines",
    )
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    missing = [root for root in args.roots if not root.is_dir()]
    if missing:
        print(f"dupfind: not a directory: {missing[0]}", file=sys.stderr)
        return 2

    terminator = "\0" if args.null else "\n"
    groups = find_duplicates(walk_files(args.roots, args.min_size), warn)
    for group in groups:
        for path in group:
            print(path, end=terminator)
        print(end=terminator)
    return 1 if groups else 0


if __name__ == "__main__":
    sys.exit(main())
