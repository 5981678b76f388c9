"""How many C and C++ files the syntax check rejects below directories of trusted, sound code.

Directories that the published figures are of: /usr/include, and what `apt-get source` unpacks of
git, openssl and postgresql. Looked at is what is named like C or C++, and in folders named include
what has no ending at all, as headers of C++ have none. Ends with an error above 3 %.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from gristmill.cli.console import OUT, print_json
from gristmill.ingestion.decode import decode
from gristmill.runtime.model import Reason
from gristmill.runtime.model.languages import Language
from gristmill.syntax.inference import infer_language
from gristmill.syntax.verdict import judge

_LANGUAGES = ("C", "C++")
_MOST = 0.03
"""What may be rejected of a directory, or of a language in all of them."""
_LARGEST_BYTES = 1 << 20
_ENDINGS = (".c", ".h", ".cc", ".cpp", ".hpp", ".hh", ".cxx", ".tcc", ".ipp")


def files(directory: str) -> Iterator[tuple[Language, str]]:
    """Yield language and text of each C and C++ file; links are not followed."""
    for folder, _, names in os.walk(directory):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            is_header = "." not in name and "include" in folder.split(os.sep)
            if not (is_header or name.endswith(_ENDINGS)):
                continue
            if os.path.getsize(path) > _LARGEST_BYTES:
                continue
            with open(path, "rb") as stream:
                decoded = decode(stream.read())
            if isinstance(decoded, Reason) or not decoded.content.strip():
                continue
            language = infer_language(path, decoded.content).language
            if language is not None and language.name in _LANGUAGES:
                yield language, decoded.content


def count(directories: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return files and rejections by directory, and by language over all of them."""
    seen: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for directory in directories:
        for language, text in files(directory):
            is_ok = judge(language, text).is_ok
            for key in (directory, language.name):
                seen[key] += 1
                rejected[key] += not is_ok
    return {key: {"files": seen[key], "rejected": rejected[key]} for key in seen}


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/c_rejections.py /usr/include git-2.39.5",
    )
    parser.add_argument("directories", nargs="+")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = count(options.directories)
    if options.json:
        print_json(found)
    else:
        for name, row in found.items():
            share = row["rejected"] / row["files"]
            told = f"{row['rejected']:,} of {row['files']:,} rejected ({share:.2%})"
            OUT.print(f"  {name:<40} {told}")
    if any(row["rejected"] > _MOST * row["files"] for row in found.values()):
        sys.exit(f"more than {_MOST:.0%} are rejected")


if __name__ == "__main__":
    main()
