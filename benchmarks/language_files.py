"""Lay out labelled source files: what the classifier of languages learns from, and a part held out.

The files come from the archives of ``corpus.toml`` and ``languages.toml``. A file's language is
that of its ending where the ending has one meaning; where it has several, ``MEANINGS`` says what it
means in a package, and a file of no such package is left out. So is a file whose first line names
another language; otherwise no content is looked at for a label.

Held out are files of the thirty common languages, by package and whatever its version, so a file
held out never has a sibling in its language among the files learnt from. The other languages have
too few packages to spare one. Each part is JSON lines as `gristmill measure language` reads them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import sys
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gristmill.cli.measure_language import COMMON
from gristmill.runtime.model.languages import SHARED, find_language, language_of_path
from gristmill.syntax.inference.shebang import name_of_shebang

FILES_PER_PACKAGE = 60
"""Of one language; large packages would drown the others."""
LONGEST = 20_000
"""Characters kept of a file: more than the classifier ever looks at."""
HELD_OUT = 3
"""Every so manieth package is held out."""
SALT = "1446"
"""Draws the packages; the first found that leaves 50 files and more of each of the thirty in either
part, from two packages at least. How well anything is classified had no say in it."""

# Endings of several meanings whose usual one holds in all of these packages.
USUAL = frozenset(
    (
        ".as", ".cake", ".cs", ".ex", ".f", ".for", ".frag", ".gd", ".hh", ".md", ".ml", ".mm",
        ".pm", ".r", ".rs", ".sc", ".t", ".ts", ".tsx", ".typ",
    )
)  # fmt: skip
# What the other endings mean, by the beginning of a package's name.
MEANINGS = {
    "swi-prolog": {".pl": "Prolog"},
    "gprolog": {".pl": "Prolog"},
    "octave": {".m": "MATLAB"},
    "psychtoolbox": {".m": "MATLAB"},
    "dynare": {".m": "MATLAB"},
    "oct2py": {".m": "MATLAB"},
    "smop": {".m": "MATLAB"},
    "nlopt": {".m": "MATLAB", ".h": "C"},
    "gnustep": {".m": "Objective-C", ".h": "Objective-C"},
    "libgnustep": {".h": "Objective-C"},
    "react-native": {".m": "Objective-C"},
    "expo-modules-core": {".m": "Objective-C"},
    "capacitor": {".m": "Objective-C", ".h": "Objective-C"},
    "stripe": {".m": "Objective-C"},
    "mathics3": {".m": "Mathematica"},
    "wolframclient": {".m": "Mathematica"},
    "fpc-source": {".pp": "Pascal", ".inc": "Pascal"},
    "lazarus-src": {".pp": "Pascal", ".inc": "Pascal"},
    "libboost": {".h": "C++"},
    "libeigen3": {".h": "C++"},
    "libprotobuf": {".h": "C++"},
    "re2": {".h": "C++"},
    "nan": {".h": "C++"},
    "node-addon-api": {".h": "C++"},
    "lightgbm": {".h": "C++", ".cl": "OpenCL"},
    "libgit2-sys": {".h": "C"},
    "lua-src": {".h": "C"},
    "luajit-src": {".h": "C"},
    "zstd-sys": {".h": "C"},
    "jq-src": {".h": "C", ".y": "Yacc", ".l": "Lex"},
    "libffi-sys": {".h": "C"},
    "ring": {".h": "C", ".pl": "Perl"},
    "blst": {".h": "C", ".pl": "Perl"},
    "yosys": {".v": "Verilog"},
    "cocotb": {".v": "Verilog"},
    "pyverilog": {".v": "Verilog"},
    "edalize": {".v": "Verilog"},
    "vunit-hdl": {".v": "Verilog"},
    "libcoq": {".v": "Rocq Prover"},
    "texlive": {".cls": "TeX"},
    "vb2py": {".cls": "Visual Basic", ".bas": "Visual Basic", ".frm": "Visual Basic"},
    "oletools": {".bas": "Visual Basic"},
    "perl-modules": {".pl": "Perl"},
    "lib": {".pl": "Perl"},
    "exiftool": {".pl": "Perl"},
    "pyopencl": {".cl": "OpenCL"},
    "fable": {".fs": "F#"},
    "gforth": {".fs": "Forth"},
    "flex": {".l": "Lex"},
    "bison": {".l": "Lex", ".yy": "Yacc"},
    "roundcube": {".inc": "PHP"},
    "supercollider": {".sc": "SuperCollider", ".scd": "SuperCollider"},
    "bacula": {".in": "Shell"},
}
# Plain text has no ending of its own in the table; the classifier has to know it all the same.
TEXT = re.compile(
    r"(?:README|LICEN[CS]E|COPYING|COPYRIGHT|copyright|AUTHORS|NEWS|CHANGES|ChangeLog|CHANGELOG|"
    r"INSTALL|TODO|NOTICE|THANKS|HACKING|CONTRIBUTING|MAINTAINERS|VERSION)(?:[._-]?[A-Z\d]*)?"
    r"(?:\.txt)?"
)
# Collections of samples are sorted by language: what their folders or files are called.
COLLECTIONS = {
    "pygments": re.compile(r"tests/examplefiles/([^/]+)/"),
    "bat": re.compile(r"tests/syntax-tests/source/([^/]+)/"),
    "ruby-rouge": re.compile(r"rouge/demos/([^/]+)$"),
    "github.com-alecthomas-chroma": re.compile(r"lexers/testdata/([^/]+)\.actual$"),
}
OTHER_ENDINGS = {".fth": "Forth", ".diff": "Diff", ".patch": "Diff", ".csd": "Csound Document"}


@dataclass(frozen=True)
class Sample:
    """One labelled file."""

    package: str
    path: str
    language: str
    content: str

    def as_json(self) -> str:
        """Return the record that `gristmill measure language` reads."""
        digest = hashlib.sha256(f"{self.package}\0{self.path}".encode()).hexdigest()[:16]
        record = {
            "id": digest,
            "language": self.language,
            "path": f"{self.package}/{self.path}",
            "encoding": "utf-8",
            "content": self.content,
        }
        return json.dumps(record, ensure_ascii=False)


def label(package: str, path: str) -> str | None:
    """Return the language of a file in a package, None where its name does not tell."""
    name = path.rpartition("/")[2]
    if TEXT.fullmatch(name):
        return "Text"
    sorted_by = COLLECTIONS[package].search(path) if package in COLLECTIONS else None
    known = find_language(sorted_by[1]) if sorted_by else None
    if known is not None:
        return known.name
    ending = name[name.rfind(".") :].lower() if "." in name[1:] else ""
    if ending in SHARED and ending not in USUAL:
        meanings = (
            of[ending] for key, of in MEANINGS.items() if package.startswith(key) and ending in of
        )
        return next(meanings, None)
    language = language_of_path(path)
    return language.name if language else OTHER_ENDINGS.get(ending)


def package_name(archive: Path) -> str:
    """Return an archive's name without its version."""
    return re.split(r"[-_]v?\d", archive.name, maxsplit=1)[0]


def is_held_out(package: str) -> bool:
    """Tell whether a package is for measuring, not for learning."""
    return hashlib.sha256(f"{SALT}{package}".encode()).digest()[0] % HELD_OUT == 0


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files in an archive that a language may be had for."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir() and 0 < info.file_size < 400_000:
                    yield info.filename, zipped.read(info)
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            if member.isfile() and 0 < member.size < 400_000:
                stream = tarred.extractfile(member)
                assert stream is not None
                yield member.name, stream.read()


def text_of(path: str, content: bytes) -> tuple[str, str] | None:
    """Return path and text, unpacked where it is compressed; None where it is no readable text."""
    if path.endswith(".gz"):
        path = path[:-3]
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError):
            return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    minified = max(map(len, text.splitlines()), default=0) > 2_000
    unreadable = "\0" in text or "\x1b" in text or not text.strip()
    return None if unreadable or minified else (path, text)


def is_misnamed(text: str, language: str) -> bool:
    """Tell whether a text's first line names another language."""
    name = name_of_shebang(text)
    said = find_language(name) if name else None
    return said is not None and said.name != language


def samples_of(archive: Path) -> Iterator[Sample]:
    """Yield the labelled files of an archive, at most so many a language, chosen by hash."""
    package = package_name(archive)
    chosen: dict[str, list[tuple[bytes, Sample]]] = defaultdict(list)
    for path, content in members(archive):
        language = label(package, path.removesuffix(".gz"))
        readable = text_of(path, content) if language else None
        if language and readable and not is_misnamed(readable[1], language):
            sample = Sample(package, readable[0], language, readable[1][:LONGEST])
            chosen[language].append((hashlib.sha256(sample.content.encode()).digest(), sample))
    for found in chosen.values():
        distinct = dict(found)
        yield from (distinct[key] for key in sorted(distinct)[:FILES_PER_PACKAGE])


def newest(archives: Iterable[Path]) -> list[Path]:
    """Return one archive of each package: versions are near copies of one another."""
    of_package = {package_name(archive): archive for archive in sorted(archives)}
    return sorted(of_package.values())


def main() -> int:
    """Write both parts and print what is in them."""
    parser = argparse.ArgumentParser("language_files.py", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="where both parts are written")
    parser.add_argument("corpora", type=Path, nargs="+", metavar="CORPUS")
    arguments = parser.parse_args()
    archives = newest(
        path
        for root in arguments.corpora
        for path in root.glob("*/*")
        if path.is_file() and path.parent.name != "stdlib"
    )
    seen: set[str] = set()
    counts: dict[str, Counter[str]] = {"learn": Counter(), "held-out": Counter()}
    with ExitStack() as stack:
        outs = {}
        for part in counts:
            (arguments.out / part).mkdir(parents=True, exist_ok=True)
            path = arguments.out / part / "files.jsonl.gz"
            outs[part] = stack.enter_context(gzip.open(path, "wt", compresslevel=6))
        for archive in archives:
            for sample in samples_of(archive):
                held_out = sample.language in COMMON and is_held_out(sample.package)
                part = "held-out" if held_out else "learn"
                if sample.content not in seen:
                    seen.add(sample.content)
                    outs[part].write(sample.as_json() + "\n")
                    counts[part][sample.language] += 1
    for name in sorted(set(counts["learn"]) | set(counts["held-out"])):
        print(f"{name:<28}{counts['learn'][name]:>7}{counts['held-out'][name]:>7}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
