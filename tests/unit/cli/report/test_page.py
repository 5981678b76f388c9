"""The page: escaped figures, a policy that names our own scripts alone, the library as it came."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from gristmill.cli.difference import unified
from gristmill.cli.reading import Summary
from gristmill.cli.report.contents import Report, Rules, Setting
from gristmill.cli.report.duplicates import Duplicates, Pair
from gristmill.cli.report.flow import Flow
from gristmill.cli.report.page import LIBRARY, embedded, render, write_report
from gristmill.cli.report.samples import Group, Sample
from gristmill.cli.report.scores import NUM_BINS, Histogram, Threshold
from gristmill.cli.report.sidebyside import side_by_side
from gristmill.cli.report.sourcecode import excerpt
from gristmill.cli.report.timing import Timing
from gristmill.runtime.model import BadInput, Reason

EVIL = "</script><script>alert(1)</script><!-- &amp; \u2028\u202e \x1b[31m \ud800"
ODD = "\U000e0041x" * 100
"""Text of which every other character is shown as an escape."""


@pytest.fixture
def empty() -> Report:
    """The report of a directory in which nothing was decided yet."""
    return Report(
        directory=f"out {EVIL}",
        is_live=False,
        as_of=None,
        summary=Summary(
            documents=0, size_bytes=0, kept=0, dropped={}, dead=0, languages={}, stages={},
            quarantined={},
        ),
        tables={},
        flow=Flow((), (), {}),
        scores=(),
        duplicates=Duplicates(0, 0, (), (), ()),
        groups=(),
        timing=Timing((), 0, (), None),
        rules=Rules({EVIL: (EVIL,)}, EVIL, 1, (Setting(EVIL, EVIL, EVIL, EVIL),), {EVIL: EVIL}),
    )  # fmt: skip


def test_no_text_ends_the_figures() -> None:
    value: dict[str, Any] = {"a": EVIL, EVIL: [1, None]}
    text = str(embedded(value))
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == value


def test_the_policy_allows_our_scripts_and_style_and_nothing_else(empty: Report) -> None:
    page = render(empty)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    policy = policy.replace("&#39;", "'")
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    sums = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inline]
    assert len(sums) == 2
    assert f"script-src 'sha256-{sums[0]}' 'sha256-{sums[1]}';" in policy
    assert policy.startswith("default-src 'none';")
    assert len(style) == 1
    assert "unsafe" not in policy
    assert len(re.findall(r"<script\b", page)) == 3  # the figures are data


def test_every_name_on_the_page_is_text(empty: Report) -> None:
    page = render(empty)
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert "alert(1)" in body
    assert "<script" not in body
    assert not set(body) & set("\u2028\u202e\x1b\ud800")
    assert not re.search(r"\s(on\w+|style|href=\"(?!#)|src)=", body)


def test_a_page_of_the_worst_texts_is_below_5_mb_and_says_what_it_leaves_out(empty: Report) -> None:
    before, after = ("".join(f"{c}{ODD}{n}\n" for n in range(100)) for c in "ab")
    compared = side_by_side(unified(before, after, "kept", "dropped"))
    pair = Pair(ODD, ODD, "Python", 0.9, compared, "")
    sample = Sample(ODD, "Python", 1, ODD, excerpt(before, "Python"), "")
    groups = [Group(reason, ODD, ODD, "drop", 1, (sample,) * 3) for reason in Reason]
    duplicates = Duplicates(8, 0, (), (), (pair,) * 8)
    page = render(replace(empty, duplicates=duplicates, groups=tuple(groups)))
    assert len(page.encode("utf-8", "backslashreplace")) < 5_000_000
    for count in (compared.num_more, compared.num_more_unified):
        assert page.count(f"and {count} more lines; <code>gristmill why</code> shows all.") == 8


def test_what_a_cut_accepts_of_each_scorer(empty: Report) -> None:
    def said(accepted: int | None, *lines: Threshold) -> str:
        histogram = Histogram("static.1", 3, 0.5, (0,) * NUM_BINS, lines, accepted)
        return render(replace(empty, scores=(histogram,)))

    line = Threshold("a", "all", 0.5, 1.0, 3, 2)
    assert "No cut was made: everything kept is accepted." in said(None)
    assert "The newest cut accepts 2 of them." in said(2, line)
    another = said(0)
    assert "The newest cut has no threshold for this scorer: it accepts none of them." in another
    assert "everything kept is accepted" not in another + said(2, line)
    assert "no file has a score, so everything kept is accepted." in render(empty)
    cut = replace(empty, summary=replace(empty.summary, below_cut=3))
    assert "no file has a score, so the newest cut accepts none." in render(cut)


def test_a_page_is_replaced_in_one_step(empty: Report, tmp_path: Any) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    size = write_report(empty, str(path))
    assert path.stat().st_size == size
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_where_it_cannot_be_written_nothing_is_left(empty: Report, tmp_path: Any) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "report.html"):
        with pytest.raises(BadInput, match="cannot be written"):
            write_report(empty, str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_our_own_files_name_no_address() -> None:
    package = files("gristmill.cli.report")
    for name in ("page.html", "page.css", "page.js"):
        text = package.joinpath(name).read_text()
        assert not re.search(r"://|[\"'(=]\s*//", text)
    assert "@import" not in package.joinpath("page.css").read_text()


def test_the_library_is_the_one_that_was_vendored_with_its_licence() -> None:
    package = files("gristmill.cli.report")
    code = package.joinpath(LIBRARY).read_bytes()
    folder = package.joinpath(LIBRARY).parent  # type: ignore[attr-defined]
    readme = (folder / "README.md").read_text()
    assert hashlib.sha256(code).hexdigest() in readme
    (version,) = re.findall(r"^# Apache ECharts (\S+)$", readme, re.MULTILINE)
    assert f'version="{version}"' in code.decode()
    assert f"Apache ECharts {version}" in package.joinpath("page.html").read_text()
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").read_text()
    assert (folder / "LICENSE-d3").read_text()
