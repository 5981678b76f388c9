"""`drops` shows what fell for a reason, with the text that was judged."""

from pathlib import Path
from typing import Any

import pytest

Mill = Any  # see conftest
BROKEN = "def area(w, h:\n    return w * h\n"
SPOKEN = "# \x1b[31mred\x1b[0m \u202ehidden\n"


@pytest.fixture
def corpus(tmp_path: Path, mill: Mill) -> tuple[Path, Path]:
    """Sources with files that fall, and a run over them."""
    source, out = tmp_path / "source", tmp_path / "corpus"
    source.mkdir()
    for number in range(4):
        (source / f"broken_{number}.py").write_text(f"x = {number}\n{SPOKEN}{BROKEN}")
    (source / "broken.go").write_text("package a\n\nfunc f( {\n")
    (source / "data.bin").write_bytes(b"\x00\x01" * 50)
    (source / "good.py").write_text("def f(x):\n    return x + 1\n")
    (source / "table.json").write_text('{"a": [1, 2, 3]}\n')
    mill.run(source, "--out", out)
    return source, out


def test_texts_are_those_that_were_judged(corpus: tuple[Path, Path], mill: Mill) -> None:
    _, out = corpus
    told = mill("drops", out, "--reason", "syntax_errors", "--language", "Python", "--json").told
    assert told["count"] == 4
    texts = {row["path"]: row["text"] for row in told["documents"]}
    assert texts == {f"broken_{n}.py": f"x = {n}\n{SPOKEN}{BROKEN}" for n in range(4)}
    assert all("never closed" in row["detail"] for row in told["documents"])


def test_a_sample_is_the_same_at_every_call(corpus: tuple[Path, Path], mill: Mill) -> None:
    _, out = corpus
    first, second = (
        mill("drops", out, "--reason", "syntax_errors", "--sample", "2", "--json").told
        for _ in range(2)
    )
    assert first == second
    assert (first["count"], len(first["documents"])) == (5, 2)


def test_what_steers_a_terminal_is_shown_and_not_sent(
    corpus: tuple[Path, Path], mill: Mill
) -> None:
    _, out = corpus
    shown = mill("drops", out, "--reason", "syntax_errors", "--language", "Python").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[31mred" in shown
    assert "4 of 4 documents for syntax_errors" in shown


def test_a_source_that_has_changed_gives_no_text(corpus: tuple[Path, Path], mill: Mill) -> None:
    source, out = corpus
    (source / "broken_0.py").write_text("something else, and longer than before\n" * 9)
    (source / "broken_1.py").unlink()
    told = mill("drops", out, "--reason", "syntax_errors", "--json").told
    texts = {row["path"]: row["text"] for row in told["documents"]}
    assert (texts["broken_0.py"], texts["broken_1.py"]) == (None, None)
    assert texts["broken_2.py"] is not None
    assert "cannot be read" in mill("drops", out, "--reason", "syntax_errors").out


def test_reasons_are_counted_and_an_unknown_one_is_refused(
    corpus: tuple[Path, Path], mill: Mill
) -> None:
    _, out = corpus
    assert mill("drops", out, "--json").told["reasons"] == {"syntax_errors": 5, "binary": 1}
    assert mill("drops", out).out.count("syntax_errors") == 1
    refused = mill("drops", out, "--reason", "lost")
    assert (refused.code, "below_cut" in refused.err) == (2, True)


def test_what_a_cut_leaves_is_shown_like_a_drop(corpus: tuple[Path, Path], mill: Mill) -> None:
    _, out = corpus
    missing = mill("drops", out, "--reason", "below_cut")
    assert (missing.code, "quality calibrate" in missing.err) == (2, True)
    assert mill("quality", "calibrate", out, "--drop", "0.5").code == 0
    told = mill("drops", out, "--reason", "below_cut", "--json").told
    assert [row["path"] for row in told["documents"]] == ["table.json"]
    assert told["documents"][0]["text"] == '{"a": [1, 2, 3]}\n'
    assert told["documents"][0]["detail"] == "score 0.0000, configuration"
    reasons = {"syntax_errors": 5, "binary": 1, "below_cut": 1}
    assert mill("drops", out, "--json").told["reasons"] == reasons
    assert "the newest cut does not accept it" in mill("drops", out).out
    of_json = mill("drops", out, "--language", "json", "--json").told["reasons"]
    assert of_json == {"below_cut": 1}
    page = out.parent / "report.html"
    assert mill("report", out, "-o", page).code == 0
    assert "<b>below_cut</b>" in page.read_text()
    assert '<th scope="row">cuts</th>' in page.read_text()


def test_a_language_that_is_not_known_is_refused_and_one_without_files_is_said(
    corpus: tuple[Path, Path], mill: Mill
) -> None:
    _, out = corpus
    assert mill("quality", "calibrate", out, "--drop", "0.5").code == 0
    for command in (("drops", out), ("quality", "show", out)):
        refused = mill(*command, "--language", "Pythonn")
        assert refused.code == 2
        assert "no language 'Pythonn' is known: Python" in refused.err
    assert "nothing fell" in mill("drops", out, "--language", "Zig").out
    assert "no document in Zig was kept" in mill("quality", "show", out, "--language", "Zig").err
    shown = mill("quality", "show", out, "--language", "python", "--json").told
    assert list(shown["languages"]) == ["Python"]
