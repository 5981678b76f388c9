"""C and C++ without the preprocessor's lines, so that a grammar sees one variant of the program.

The branches of an `#if` often open, each of them, what one line behind the `#endif` closes; no
grammar can follow that. Of each conditional the longest branch is kept. What is taken out leaves
blanks, so lines and columns stay. Nothing is evaluated but `0` and `__cplusplus`, and no other file
is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

_OPENING = ("if", "ifdef", "ifndef")


@dataclass(slots=True)
class _Branch:
    """The lines of one branch, from its directive to the next, both excluded."""

    begin: int
    is_on: bool | None
    """None where nothing is known."""
    end: int = -1
    length: int = 0


@dataclass(slots=True)
class _Conditional:
    branches: list[_Branch] = field(default_factory=list)

    def off(self) -> Iterator[_Branch]:
        """Return the branches to take out."""
        known = [branch for branch in self.branches if branch.is_on]
        possible = [branch for branch in self.branches if branch.is_on is None]
        kept = known[0] if known else max(possible, key=lambda one: one.length, default=None)
        return (branch for branch in self.branches if branch is not kept)


def without_directives(text: str, *, cplusplus: bool) -> str:
    r"""Return the text with directives, and all branches of a conditional but one, blanked.

    >>> without_directives("#if A\nint a;\n#else\nint bb;\n#endif\n", cplusplus=False)
    '     \n      \n     \nint bb;\n      \n'
    """
    lines = _logical_lines(text)
    turns = [0] * (len(lines) + 1)  # how many more branches are off from this line on
    for conditional in _conditionals(lines, cplusplus=cplusplus):
        for branch in conditional.off():
            turns[branch.begin] += 1
            turns[branch.end] -= 1
    is_kept = (not off for off in accumulate(turns[:-1]))
    return "".join(
        line if kept and not _is_directive(line) else blank(line)
        for line, kept in zip(lines, is_kept, strict=True)
    )


def blank(text: str) -> str:
    """Return as many blanks as characters, newlines as they are."""
    if "\n" not in text:
        return " " * len(text)
    return "\n".join(" " * len(line) for line in text.split("\n"))


def _logical_lines(text: str) -> list[str]:
    """Return the lines with their ends; what continues a directive is part of it."""
    lines: list[str] = []
    directive: list[str] = []
    in_comment = False
    for line in text.split("\n"):
        if directive or _is_directive(line):
            directive.append(line)
            in_comment = _leaves_comment_open(line, in_comment=in_comment)
            if not in_comment and not line.endswith(("\\", "\\\r")):
                lines.append("\n".join(directive) + "\n")
                directive = []
        else:
            lines.append(line + "\n")
    if directive:
        lines.append("\n".join(directive) + "\n")
    lines[-1] = lines[-1][:-1]
    return lines


def _leaves_comment_open(line: str, *, in_comment: bool) -> bool:
    begin = line.rfind("/*")
    if begin < 0 or 0 <= line.find("//") < begin:
        return in_comment and "*/" not in line
    return line.find("*/", begin + 2) < 0


def _is_directive(line: str) -> bool:
    return line.lstrip(" \t\f").startswith("#")


def _conditionals(lines: Sequence[str], *, cplusplus: bool) -> Iterator[_Conditional]:
    """Return the conditionals that are closed; of one that is not, everything stays."""
    opened: list[_Conditional] = []
    for number, line in enumerate(lines):
        if not _is_directive(line):
            if opened:
                opened[-1].branches[-1].length += len(line.strip())
            continue
        word, condition = _parse(line)
        if word in _OPENING:
            is_on = _is_on(word, condition, cplusplus=cplusplus)
            opened.append(_Conditional([_Branch(number + 1, is_on)]))
        elif opened and word in ("elif", "else"):
            opened[-1].branches[-1].end = number
            is_on = _is_on("if", condition, cplusplus=cplusplus) if word == "elif" else None
            opened[-1].branches.append(_Branch(number + 1, is_on))
        elif opened and word == "endif":
            done = opened.pop()
            done.branches[-1].end = number
            if opened:
                opened[-1].branches[-1].length += max(one.length for one in done.branches)
            yield done


def _parse(line: str) -> tuple[str, str]:
    """Return a directive's word and what follows it."""
    rest = line.lstrip(" \t\f#").rstrip()
    end = next((at for at, char in enumerate(rest) if not char.isalpha()), len(rest))
    return rest[:end], rest[end:].strip()


def _is_on(word: str, condition: str, *, cplusplus: bool) -> bool | None:
    """Return whether a condition holds; of most nothing is known."""
    condition = condition.partition("/")[0].replace(" ", "").replace("\t", "")
    holds = None
    if word == "if" and condition in ("0", "1"):
        holds = condition == "1"
    elif condition.strip("!()").removeprefix("defined").strip("()") == "__cplusplus":
        holds = cplusplus != condition.startswith("!")
    return not holds if word == "ifndef" and holds is not None else holds
