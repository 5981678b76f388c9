"""What a part of the measuring corpus holds: files, bytes, and files of each language."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Programming languages only: data, markup and style sheets are in the corpus but not counted.
# Apart from the pipeline's own table, so that the counts can't change with what they measure.
LANGUAGE_TABLE = """
Assembly: s asm | C: c h | C#: cs | C++: cc cpp cxx hh hpp hxx inl | CMake: cmake | CUDA: cu cuh
Clojure: clj cljc cljs | CoffeeScript: coffee | Cython: pyx pxd pxi | Dart: dart | Elixir: ex exs
Erlang: erl hrl | Fortran: f f90 f95 | GLSL: glsl vert frag | Go: go | Groovy: groovy gradle
HCL: hcl tf | Haskell: hs | Java: java | JavaScript: js cjs mjs jsx | Julia: jl | Kotlin: kt kts
Lisp: el lisp scm rkt | Lua: lua | OCaml: ml mli | Objective-C: m mm | PHP: php | Pascal: pas
Perl: pl pm | PowerShell: ps1 psm1 | Protocol Buffers: proto | Python: py pyi | R: r
Ruby: rb podspec | Rust: rs | SQL: sql | Scala: scala | Shell: sh bash zsh | Starlark: bzl bazel
Swift: swift | Tcl: tcl | TypeScript: ts tsx mts cts | Zig: zig
"""
LANGUAGES = {
    extension: language
    for entry in LANGUAGE_TABLE.strip().replace("\n", " | ").split(" | ")
    for language, extensions in [entry.split(": ")]
    for extension in extensions.split()
}


def count(members: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """Count files, bytes of content and files of each language from names and sizes."""
    files = size = 0
    languages: Counter[str] = Counter()
    for name, length in members:
        files += 1
        size += length
        if language := LANGUAGES.get(os.path.splitext(name)[1].lower().lstrip(".")):
            languages[language] += 1
    return {"files": files, "bytes": size, "languages": dict(languages)}


def count_archive(path: Path) -> dict[str, Any]:
    """Count the members of an archive from its headers."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as zipped:
            infos = zipped.infolist()
            return count((info.filename, info.file_size) for info in infos if not info.is_dir())
    with tarfile.open(path) as tarred:
        return count((member.name, member.size) for member in tarred if member.isfile())


def count_folder(root: Path) -> dict[str, Any]:
    """Count the files under a folder."""
    paths = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return count((path.name, path.stat().st_size) for path in paths)
