"""The program inside a literate one: its code, with blank lines in place of the prose."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate


def code_of(language_name: str, text: str) -> str:
    r"""Return the code of a text in a literate language, line by line where it stood.

    >>> code_of("Literate Haskell", "Twice:\n> f x = x + x\n")
    '\n  f x = x + x\n'
    """
    extract = _LITERATE.get(language_name)
    return "\n".join(extract(text.split("\n"))) if extract else text


def places_of(code: str, text: str) -> Callable[[int], int]:
    """Return what tells where a byte of the code of a literate text stands in the text."""
    code_lines, text_lines = _line_starts(code), _line_starts(text)

    def place(offset: int) -> int:
        line = bisect_right(code_lines, offset) - 1
        return text_lines[line] + offset - code_lines[line]

    return place


def _line_starts(text: str) -> list[int]:
    lengths = (len(line) + 1 for line in text.encode().split(b"\n")[:-1])
    return [0, *accumulate(lengths)]


def _haskell(lines: list[str]) -> Iterator[str]:
    """Keep lines behind `>`, and what stands in a `code` environment of TeX."""
    is_inside = False
    for line in lines:
        if line.startswith(("\\begin{code}", "\\end{code}")):
            is_inside = line.startswith("\\begin")
            yield ""
        elif line.startswith(">"):
            yield " " + line[1:]
        else:
            yield line if is_inside else ""


def _agda(lines: list[str]) -> Iterator[str]:
    """Keep what stands in a `code` environment of TeX, or between fences of Markdown."""
    is_inside = False
    for line in lines:
        word = line.strip()
        if word.startswith(("\\begin{code}", "\\end{code}")):
            is_inside = word.startswith("\\begin")
            yield ""
        elif word.startswith("```"):
            is_inside = not is_inside and word in ("```", "```agda")
            yield ""
        else:
            yield line if is_inside else ""


_LITERATE: Mapping[str, Callable[[list[str]], Iterator[str]]] = {
    "Literate Agda": _agda,
    "Literate Haskell": _haskell,
}
