"""Lay out the files that budgets of errors are measured on: whole files of released packages.

They come from the archives of ``corpus.toml``, ``languages.toml`` and ``sound.toml``, one version
of each package. A file's language is that of its name in its package, else what is inferred; files
in languages without a grammar are left out, and so is what no person wrote as it stands: minified
code. The output is JSON lines as `gristmill syntax calibrate` reads them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from heapq import nsmallest
from pathlib import Path

from language_files import Sample, is_misnamed, label, members, newest, package_name, text_of

from gristmill.runtime.model.languages import SHARED, find_language
from gristmill.syntax.grammars import candidate_of
from gristmill.syntax.inference import infer_language

FILES_PER_PACKAGE = 60
"""With one ending, or whole name."""
UNTRUSTED = re.compile(
    r"(?i)(?:^|/)(?:tests?|testdata|testing|fixtures|examplefiles|templates|t)/"
    r"|/koma-script/.*html$|/hol-light/.*ml$|/hugsbase/|/yosys/.*map\.v$|/sbcl-source/.*\.d$"
    r"|\.compiled$"
)
"""Folders that `calibrate` leaves out, and what is not what its name says: pages with a quote that
never ends, dialects of a program's own in OCaml, Haskell and Verilog, dependencies for make that
are named like D, XML that is named like a Makefile."""


def samples_of(archive: Path) -> Iterator[Sample]:
    """Yield files of an archive, at most so many of a kind, chosen by the hash of their path."""
    package = package_name(archive)
    found: dict[str, list[tuple[bytes, str, bytes]]] = defaultdict(list)
    for path, content in members(archive):
        name = path.removesuffix(".gz").rpartition("/")[2]
        kind = name[name.rfind(".") :].lower() if "." in name else name
        if (kind in SHARED or label(package, name)) and not UNTRUSTED.search(path):
            key = hashlib.sha256(path.encode(errors="surrogateescape")).digest()
            found[kind].append((key, path, content))
    for files in found.values():
        for _, path, content in nsmallest(FILES_PER_PACKAGE, files):
            sample = sample_of(package, path, content)
            if sample is not None:
                yield sample


def sample_of(package: str, path: str, content: bytes) -> Sample | None:
    """Return a file with its language; None without a grammar, and of what is minified."""
    readable = text_of(path, content)
    if readable is None:
        return None
    path, text = readable
    name = label(package, path)
    language = find_language(name) if name else infer_language(path, text).language
    if language is None or candidate_of(language) is None or is_misnamed(text, language.name):
        return None
    return Sample(package, path, language.name, text)


def main() -> int:
    """Write the files and print how many there are."""
    parser = argparse.ArgumentParser("sound_files.py", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="the directory that is written")
    parser.add_argument("corpora", type=Path, nargs="+", metavar="CORPUS")
    arguments = parser.parse_args()
    archives = newest(
        path
        for root in arguments.corpora
        for path in root.glob("*/*")
        if path.is_file() and path.parent.name != "stdlib"
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with gzip.open(arguments.out / "files.jsonl.gz", "wt", compresslevel=1) as out:
        for archive in archives:
            for sample in samples_of(archive):
                out.write(sample.as_json() + "\n")
                counts[sample.language] += 1
    for name, num in sorted(counts.items()):
        print(f"{name:<28}{num:>7}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
