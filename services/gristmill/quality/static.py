"""The static scorer: a stand-in for a trained model, out of the features of the syntax stage.

It follows the four criteria of the quality label and its policy of zero (Seed-Coder, section
A.2.1) as far as counts can tell. It reads no text and understands nothing.
"""

from collections.abc import Sequence

from gristmill.quality.settings import QualitySettings
from gristmill.runtime.model import Document, Features, Quality, ScoreParts
from gristmill.runtime.model.features import LEAST_CODE_BYTES, WINDOW_BYTES
from gristmill.runtime.model.fingerprint import fingerprint

VERSION = 3

_FULL = 10.0
_WEAKEST = 0.3
"""How much the weakest criterion counts beside the mean: one strong side mends no bad one."""

CONFIGURATION = frozenset(
    (
        "BibTeX", "CSV", "Git Attributes", "Go Checksums", "Go Module", "HCL", "INI",
        "Ignore List", "JSON", "JSON5", "Jsonnet", "KDL", "PO", "Properties", "Python Manifest",
        "Requirements", "Ron", "TOML", "TSV", "Terraform", "XML", "YAML",
    )
)  # fmt: skip
"""Languages of values alone: a file in one is configuration or data."""
_WITHOUT_FUNCTIONS = frozenset(
    (
        "ANTLR", "Batchfile", "CMake", "CSS", "Dockerfile", "GraphQL", "HTML", "Java Server Pages",
        "Less", "Makefile", "Markdown", "Protocol Buffer", "RMarkdown", "SCSS", "SPARQL", "SQL",
        "TeX", "Thrift", "Yacc", "reStructuredText",
    )
)  # fmt: skip
"""Languages whose files are no worse for having no functions."""


class StaticScorer:
    """Judges by counts alone; a document whose features nobody counted is not judged."""

    def __init__(self, settings: QualitySettings) -> None:
        self._settings = settings
        changed = "" if settings == QualitySettings() else f".{fingerprint(settings)}"
        self.name = f"static-{VERSION}{changed}"

    def score(self, batch: Sequence[Document]) -> Sequence[Quality]:
        """Judge each document by its annotations."""
        return [self._judge(document) for document in batch]

    def _judge(self, document: Document) -> Quality:
        syntax = document.annotations.syntax
        if syntax is None or syntax.features is None:
            return Quality(score=None)
        parts = parts_of(
            syntax.features, document.annotations.language, error_share=syntax.error_share
        )
        return Quality(score=self._total(parts), parts=parts)

    def _total(self, parts: ScoreParts) -> float:
        if parts.zero_rule:
            return 0.0
        weighted = [
            (parts.readability, self._settings.readability),
            (parts.modularity, self._settings.modularity),
            (parts.clarity, self._settings.clarity),
            (parts.reusability, self._settings.reusability),
        ]
        total = sum(weight for _, weight in weighted)
        mean = sum(part * weight for part, weight in weighted) / total
        weakest = min(part for part, weight in weighted if weight)
        return round(((1 - _WEAKEST) * mean + _WEAKEST * weakest) / _FULL, 4)


def parts_of(features: Features, language: str, *, error_share: float = 0.0) -> ScoreParts:
    """Return the four criteria, 0 to 10 each, and the rule of zero that applies."""
    has_functions = language not in _WITHOUT_FUNCTIONS
    modularity = _modularity(features, has_functions=has_functions)
    clarity = _clarity(features)
    reusability = _reusability(features, has_functions=has_functions, error_share=error_share)
    return ScoreParts(
        readability=_readability(features, min(modularity, clarity, reusability)),
        modularity=modularity,
        clarity=clarity,
        reusability=reusability,
        zero_rule=zero_rule(features, language),
    )


def zero_rule(features: Features, language: str) -> str:
    """Return which rule makes the score 0, or nothing: what the policy of zero lists."""
    f = features
    if f.num_generated_marks:
        return "generated"
    if language in CONFIGURATION:
        return "configuration"
    code_bytes = f.num_bytes - _prose_bytes(f)
    inside = _share(f.num_function_bytes, code_bytes)
    if language in _WITHOUT_FUNCTIONS or not f.num_literals or inside > _HARDLY_ANY:
        return ""
    literal_share = _share(f.num_literal_bytes, code_bytes)
    is_without_logic = not f.num_branches and f.num_calls * 4 <= f.num_literals
    if literal_share >= _DATA_SHARE and f.num_calls * 8 <= f.num_literals:
        return "data"
    per_line = _share(f.num_literals, max(1, f.num_code_lines))
    return "no_logic" if is_without_logic and per_line >= _LITERALS_A_LINE else ""


_DATA_SHARE = 0.5
_LITERALS_A_LINE = 0.25
_HARDLY_ANY = 0.1
"""Share of the code inside functions up to which there are as good as none: one empty one."""


def _readability(f: Features, weakest: float) -> float:
    prose = _share(_prose_bytes(f), f.num_bytes)
    told = _share(f.num_documented_functions, f.num_functions)
    name_bytes = _share(f.num_sampled_word_bytes, f.num_sampled_words)
    names = _ramp(name_bytes, 2.0, 4.0) * _ramp(name_bytes, 20.0, 12.0)
    # Some comments are good, above functions most of all, and more are no better; most of a file
    # should be code. They explain code that is sound otherwise and mend no other.
    comments = max(_ANYWHERE * _ramp(prose, 0.0, 0.12), told) * _ramp(prose, 0.6, 0.38)
    comments *= min(names, _ramp(weakest, 6.5, 9.0))
    long_lines = _ramp(_share(f.num_long_lines, f.num_distinct_lines), 0.25, 0.02)
    width = min(long_lines, _ramp(f.longest_line_bytes, 1000, 200))
    blank = _share(f.num_blank_lines, f.num_lines)
    # One line of code has no layout that a blank line could mend.
    parted = _ramp(blank, 0.0, 0.06) * _ramp(f.num_code_lines, 1, 8)
    layout = 0.5 * parted + 0.5 * _ramp(_share(f.num_mixed_indents, f.num_lines), 0.2, 0.0)
    return 3.0 * comments + 3.0 * names + 2.5 * width + 1.5 * layout


_ANYWHERE = 0.5
"""What comments earn that stand above no function: anybody can put in such."""


def _modularity(f: Features, *, has_functions: bool) -> float:
    if not has_functions:
        return 6.0
    unseen = _unseen(f)
    if not f.num_functions:
        kept_apart = 2.0 if f.num_classes else 0.0
        return kept_apart + 4.0 * _ramp(f.num_code_lines * unseen, 150, 20)
    inside = _share(f.num_function_bytes, f.num_bytes - _prose_bytes(f))
    branches = _share(f.num_branches * unseen, f.num_functions)
    several = _ramp(f.num_functions, 0, 4)
    return (
        4.5 * _ramp(f.longest_function_lines * unseen, 140, 45)
        + 2.0 * _ramp(branches, 12.0, 3.5)
        + 1.5 * _ramp(inside, 0.0, 0.5)
        + 1.0 * several
        + 1.0 * _ramp(f.deepest_function, 5, 2)
    )


_WINDOW_OF_CODE = 0.8
"""Share of a full window that is code, as a rule."""


def _unseen(f: Features) -> float:
    """Return how much longer the code is taken to be than what is seen of it.

    Prose in a text longer than the window drives code out of it, and with it the end of a function.
    """
    code = f.num_bytes - _prose_bytes(f)
    if f.num_bytes < 7 * WINDOW_BYTES // 8 or code < LEAST_CODE_BYTES:
        return 1.0  # it is seen whole; a window may end with a whole line
    return max(1.0, _WINDOW_OF_CODE * WINDOW_BYTES / code)


def _clarity(f: Features) -> float:
    lines = max(1, f.num_code_lines)
    distinct = _ramp(_share(f.num_distinct_lines, f.num_code_lines), 0.45, 0.8)
    alike = 1.0
    if f.num_calls >= _SEVERAL_CALLS:
        alike = _ramp(_share(f.num_calls_of_commonest, f.num_calls), 0.75, 0.3)
    in_comments = _ramp(_share(f.num_code_signs, lines), 0.12, 0.01)
    debug = _ramp(_share(f.num_debug_calls, lines), 0.15, 0.03)
    return 3.5 * distinct + 1.5 * alike + 3.0 * in_comments + 2.0 * debug


_SEVERAL_CALLS = 8


def _reusability(f: Features, *, has_functions: bool, error_share: float) -> float:
    code_bytes = f.num_bytes - _prose_bytes(f)
    literals = _ramp(_share(f.num_literal_bytes, code_bytes), 0.55, 0.2)
    length = _ramp(max(1, f.num_code_lines), 3, 25)
    # A shell has functions in which next to nothing happens.
    happens = _ramp(_share(f.num_calls + f.num_branches, f.num_functions), 0.2, 1.5)
    defines = happens if f.num_functions else 1.0 if f.num_classes or not has_functions else 0.3
    finished = _ramp(_share(100 * f.num_unfinished_marks, f.num_lines), 4.0, 0.5)
    sound = _ramp(error_share, 0.01, 0.0)
    return 2.5 * literals + 2.0 * length + 3.0 * defines * finished + 1.5 * finished + 1.0 * sound


def _prose_bytes(f: Features) -> int:
    return f.num_comment_bytes + f.num_docstring_bytes


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _ramp(value: float, worst: float, best: float) -> float:
    """Return 0 at the worst value and beyond it, 1 at the best, in between in proportion."""
    return min(1.0, max(0.0, (value - worst) / (best - worst)))
