"""The static scorer: that it orders what people agree on, and that padding does not fool it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gristmill.quality.settings import QualitySettings
from gristmill.quality.static import CONFIGURATION, StaticScorer, parts_of, zero_rule
from gristmill.runtime.model import (
    Annotations,
    Document,
    Features,
    FileText,
    Kind,
    Origin,
    Position,
    Quality,
    Syntax,
)
from gristmill.runtime.model.languages import LANGUAGES
from gristmill.syntax.inference import infer_language
from gristmill.syntax.verdict import examine

FIXTURE = Path(__file__).parents[2] / "golden" / "quality"
TIDY = Features(
    num_bytes=3000,
    num_lines=100,
    num_blank_lines=15,
    num_code_lines=78,
    num_distinct_lines=74,
    longest_line_bytes=90,
    num_sampled_words=100,
    num_sampled_word_bytes=550,
    num_nodes=900,
    num_comments=8,
    num_comment_bytes=400,
    num_functions=8,
    num_documented_functions=6,
    num_function_bytes=2200,
    longest_function_lines=20,
    deepest_function=1,
    num_branches=14,
    num_calls=30,
    num_calls_of_commonest=4,
    num_literals=20,
    num_literal_bytes=200,
)


def document(name: str, text: str) -> Document:
    language = infer_language(name, text).language
    verdict, features = examine(language, text)
    assert verdict.is_ok, f"{name}: {verdict}"
    assert language is not None, name
    syntax = Syntax(error_share=0.0, checker=verdict.checker, features=features)
    return Document(
        id=name,
        kind=Kind.FILE,
        origin=Origin(source="s", repository="r", path=name),
        position=Position(source="s", offset=0),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256="f" * 64,
        size_bytes=len(text.encode()),
        annotations=Annotations(language=language.name, syntax=syntax),
    )


@cache
def scored(label: str) -> Mapping[str, Quality]:
    """Return what the scorer says of the fixture's files of one label."""
    files = sorted((FIXTURE / label).iterdir())
    documents = [document(one.name, one.read_text(encoding="utf-8")) for one in files]
    answers = StaticScorer(QualitySettings()).score(documents)
    return {one.name: answer for one, answer in zip(files, answers, strict=True)}


def scores(*labels: str) -> list[float]:
    found = [one.score for label in labels for one in scored(label).values()]
    assert None not in found
    return [one for one in found if one is not None]


def auc(better: list[float], worse: list[float]) -> float:
    """Return how often one of the better scores above one of the worse; a tie is half."""
    won = sum((one > other) + 0.5 * (one == other) for one in better for other in worse)
    return won / (len(better) * len(worse))


def test_the_score_orders_what_people_agree_on() -> None:
    assert len(scores("good", "poor", "zero")) >= 60
    assert auc(scores("good"), scores("poor", "zero")) >= 0.9
    assert auc(scores("good"), scores("poor")) >= 0.9


@pytest.mark.parametrize("name", sorted(one.name for one in (FIXTURE / "zero").iterdir()))
def test_what_the_policy_of_zero_lists_scores_zero_and_says_why(name: str) -> None:
    quality = scored("zero")[name]
    assert quality.score == 0.0
    assert quality.parts is not None
    assert quality.parts.zero_rule in {"generated", "configuration", "data", "no_logic"}


@pytest.mark.parametrize("name", ["OrderDaoImpl.java", "BuildFlags.java", "city_codec.dart"])
def test_an_order_not_to_edit_what_is_generated_scores_zero(name: str) -> None:
    parts = scored("zero")[name].parts
    assert parts is not None
    assert parts.zero_rule == "generated"


def test_no_good_file_falls_under_the_policy_of_zero() -> None:
    assert min(scores("good", "poor")) > 0


@pytest.mark.parametrize("name", sorted(one.name for one in (FIXTURE / "padded").iterdir()))
def test_comments_put_in_for_the_score_hardly_raise_it(name: str) -> None:
    padded, plain = scored("padded")[name].score, scored("poor")[name].score
    assert padded is not None
    assert plain is not None
    assert padded <= plain + 0.03


def test_padded_files_stay_below_good_ones() -> None:
    assert auc(scores("good"), scores("padded")) >= 0.9


FILLERS: Sequence[Callable[[int], str]] = (
    lambda number: "Handle the next step of the processing here.",
    lambda number: f"Step {number}: the value of part {7 * number} is carried to the result.",
    lambda number: "-" * 40,
    lambda number: f"configuration processing responsibility {number} " * 4,
)


def every(step: int, lines: Sequence[str], mark: str, filler: Callable[[int], str]) -> list[str]:
    """Return the lines with a comment above every so many of them, not inside a C macro."""
    padded: list[str] = []
    for number, line in enumerate(lines):
        if number % step == 0 and not (padded and padded[-1].endswith("\\")):
            indent = line[: len(line) - len(line.lstrip())]
            padded.append(f"{indent}{mark} {filler(number)}")
        padded.append(line)
    return padded


def paddings(lines: Sequence[str], mark: str) -> Iterator[list[str]]:
    """Yield the lines with comments strewn in, above all of them, below all of them."""
    first = 1 if lines[0] == "<?php" else 0
    for filler in FILLERS:
        for step in (1, 2, 3, 8):
            yield every(step, lines, mark, filler)
        for count in (5, 20, 60, 200):
            block = [f"{mark} {filler(number)}" for number in range(count)]
            yield [*lines[:first], *block, "", *lines[first:]]
            yield [*lines, "", *block]


@cache
def best_padded(name: str) -> float:
    """Return the highest score that a poor file gets by a padding."""
    path = FIXTURE / "poor" / name
    mark = "#" if path.suffix in {".py", ".rb"} else "//"
    padded = paddings(path.read_text(encoding="utf-8").splitlines(), mark)
    documents = [document(name, "\n".join(lines) + "\n") for lines in padded]
    found = [one.score for one in StaticScorer(QualitySettings()).score(documents)]
    return max(score for score in found if score is not None)


POOR = sorted(one.name for one in (FIXTURE / "poor").iterdir())


@pytest.mark.parametrize("name", POOR)
def test_no_number_and_no_place_of_filler_comments_raises_a_score_by_much(name: str) -> None:
    plain = scored("poor")[name].score
    assert plain is not None
    assert best_padded(name) <= plain + 0.05


def test_each_poor_file_stays_below_good_ones_with_its_best_padding() -> None:
    assert auc(scores("good"), [best_padded(name) for name in POOR]) >= 0.9


HEAD_BYTES = [7 << 10, 9 << 10, 40 << 10]


@cache
def headed(label: str, size_bytes: int) -> Mapping[str, tuple[Quality, Quality]]:
    """Return what the scorer says of files of a label, and of them below a head of comments."""
    files = [one for one in sorted((FIXTURE / label).iterdir()) if one.suffix != ".json"]
    mark = {".py": "#", ".rb": "#", ".sh": "#", ".yaml": "#", ".sql": "--", ".css": "/*"}
    pairs = {}
    for path in files:
        text = path.read_text(encoding="utf-8")
        begin = mark.get(path.suffix, "//")
        end = " */" if begin == "/*" else ""
        line = f"{begin} What follows was thought about for a long time, and is used.{end}\n"
        first, rest = "", text
        if text.startswith(("#!", "<?php")):
            first, rest = text.split("\n", 1)[0] + "\n", text.split("\n", 1)[1]
        head = line * (size_bytes // len(line) + 1)
        below = document(path.name, f"{first}{head}\n{rest}")
        plain, padded = StaticScorer(QualitySettings()).score([document(path.name, text), below])
        pairs[path.name] = plain, padded
    return pairs


@pytest.mark.parametrize("size_bytes", [*HEAD_BYTES, 200 << 10])
def test_a_long_head_of_comments_saves_no_file_from_the_policy_of_zero(size_bytes: int) -> None:
    for name, (plain, padded) in headed("zero", size_bytes).items():
        assert padded.score == 0.0, name
        assert plain.parts is not None
        assert padded.parts is not None
        assert padded.parts.zero_rule == plain.parts.zero_rule, name


@pytest.mark.parametrize("size_bytes", HEAD_BYTES)
def test_a_long_head_of_comments_lifts_no_poor_file_and_hides_no_good_one(size_bytes: int) -> None:
    poor, good = headed("poor", size_bytes), headed("good", size_bytes)
    for name, (plain, padded) in poor.items():
        assert plain.score is not None
        assert padded.score is not None
        assert padded.score <= plain.score + 0.05, name
    scored_good, scored_poor = (
        [padded.score for _, padded in pairs.values() if padded.score is not None]
        for pairs in (good, poor)
    )
    assert len(scored_good) == len(scores("good"))
    assert auc(scored_good, scored_poor) >= 0.9


LONG = '"""' + "The numbers below were measured with care.\n" * 400 + '"""\n'
HEADS = {
    "a docstring": LONG,
    "quotes in a comment": f'# A """ begins a docstring.\n{LONG}',
    "quotes in a docstring": LONG.replace("care", 'care \\"""', 1),
    "a docstring that reads as code": LONG.replace("The numbers below were measured with", "x ="),
    "a string in parentheses": f"({LONG.strip()})\n",
    "a string with a name": f"DOCUMENTATION = r{LONG}",
    "one line that goes on": '"' + "The numbers below were measured.\\\n" * 400 + '"\n',
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("name", ["calibration_table.py", "settings.py"])
def test_a_long_text_at_the_head_saves_no_table_from_the_policy_of_zero(
    name: str, head: str
) -> None:
    text = (FIXTURE / "zero" / name).read_text(encoding="utf-8")
    (padded,) = StaticScorer(QualitySettings()).score([document(name, head + text)])
    assert padded.score == 0.0


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_long_text_at_the_head_makes_no_data_of_good_code(head: str) -> None:
    text = (FIXTURE / "good" / "expr.py").read_text(encoding="utf-8")
    (padded,) = StaticScorer(QualitySettings()).score([document("expr.py", head + text)])
    assert padded.score is not None
    assert padded.score > 0.6


@pytest.mark.parametrize(
    ("name", "text", "comment"),
    [
        ("a.html", "<p>x</p>\n" * 8, "<!-- {} -->"),
        ("Dockerfile", "FROM x\n" + "RUN y\n" * 8, "# {}"),
        ("a.proto", 'syntax = "proto3";\nmessage A {\n  int32 b = 1;\n}\n', "// {}"),
        ("a.zig", "pub fn f() void {\n" + '    print("x", .{});\n' * 8 + "}\n", "//! {}"),
        ("a.sv", "module m(input a, output b);\n" + "assign b = a;\n" * 8 + "endmodule\n", "// {}"),
    ],
)
def test_filler_comments_raise_no_score_in_other_languages_either(
    name: str, text: str, comment: str
) -> None:
    head = "".join(
        comment.format(f"Step {number}: the value of part {7 * number} goes on.") + "\n"
        for number in range(60)
    )
    plain, padded = StaticScorer(QualitySettings()).score(
        [document(name, text), document(name, f"{head}\n{text}")]
    )
    assert plain.score is not None
    assert padded.score is not None
    assert padded.score <= plain.score + 0.05


def test_comments_that_drive_code_out_of_the_window_earn_no_modularity() -> None:
    name = "process_orders.py"
    text = (FIXTURE / "poor" / name).read_text(encoding="utf-8")
    head = "".join(f"# Part {number} of what this does for orders.\n" for number in range(150))
    plain, padded = StaticScorer(QualitySettings()).score(
        [document(name, text), document(name, head + text)]
    )
    assert plain.parts is not None
    assert padded.parts is not None
    assert padded.parts.modularity < plain.parts.modularity + 1.0


@pytest.mark.parametrize(
    "worse",
    [
        {"longest_function_lines": 400},
        {"num_branches": 200},
        {"num_code_signs": 40},
        {"num_debug_calls": 25},
        {"num_distinct_lines": 30},
        {"num_calls_of_commonest": 29},
        {"num_literal_bytes": 2000},
        {"num_unfinished_marks": 10},
        {"num_sampled_word_bytes": 180},
        {"num_long_lines": 40, "longest_line_bytes": 900},
        {"num_mixed_indents": 30},
        {"num_comment_bytes": 0, "num_documented_functions": 0},
        {"num_comment_bytes": 2400},
        {"deepest_function": 6},
    ],
    ids=lambda worse: next(iter(worse)),
)
def test_each_fault_costs_something(worse: dict[str, int]) -> None:
    usual, other = parts_of(TIDY, "Go"), parts_of(TIDY._replace(**worse), "Go")
    assert sum((other.readability, other.modularity, other.clarity, other.reusability)) < sum(
        (usual.readability, usual.modularity, usual.clarity, usual.reusability)
    )
    assert not usual.zero_rule


def test_parts_are_between_0_and_10_whatever_is_counted() -> None:
    for features in (Features(), TIDY, Features(*[10**6] * 29)):
        for language in ("Go", "SQL", ""):
            parts = parts_of(features, language, error_share=1.0)
            for part in (parts.readability, parts.modularity, parts.clarity, parts.reusability):
                assert 0.0 <= part <= 10.0


def test_an_error_of_syntax_costs_something() -> None:
    sound, broken = (parts_of(TIDY, "Go", error_share=share) for share in (0.0, 0.05))
    assert broken.reusability < sound.reusability


def test_a_table_of_values_is_data_in_a_language_with_logic_alone() -> None:
    table = Features(
        num_bytes=900, num_lines=30, num_code_lines=30, num_literals=300, num_literal_bytes=800
    )
    assert zero_rule(table, "Python") == "data"
    assert zero_rule(table, "CSS") == ""
    assert zero_rule(TIDY, "YAML") == "configuration"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".gitignore", "*.o\nbuild/\n"),
        (".dockerignore", "node_modules\n"),
        (".gitattributes", "*.png binary\n"),
        (".editorconfig", "root = true\n"),
        ("requirements.txt", "attrs==23.1.0\nrich>=13\n"),
        ("MANIFEST.in", "include LICENSE\n"),
        ("go.mod", "module example.org/a\n\ngo 1.22\n"),
        ("data.tsv", "a\tb\n1\t2\n"),
        ("app.properties", "a=1\n"),
    ],
)
def test_a_file_of_values_alone_is_configuration(name: str, text: str) -> None:
    (quality,) = StaticScorer(QualitySettings()).score([document(name, text)])
    assert quality.score == 0.0
    assert quality.parts is not None
    assert quality.parts.zero_rule == "configuration"


def test_every_language_that_the_rules_name_is_known() -> None:
    assert {language.name for language in LANGUAGES} >= CONFIGURATION


def test_who_was_not_looked_at_is_not_judged() -> None:
    scorer = StaticScorer(QualitySettings())
    bare = document("a.py", "x = f(1)\n")
    unseen = [Annotations(), Annotations(syntax=Syntax(error_share=0.0, checker="unchecked"))]
    for annotations in unseen:
        assert scorer.score([replace(bare, annotations=annotations)]) == [Quality(score=None)]


def test_the_weakest_part_counts_more_and_a_weight_of_nought_takes_a_part_out() -> None:
    god = document("a.go", (FIXTURE / "poor" / "sync.go").read_text())
    usual, blind = (
        StaticScorer(one).score([god])[0].score
        for one in (QualitySettings(), QualitySettings(modularity=0.0))
    )
    assert usual is not None
    assert blind is not None
    assert blind > usual + 0.2
