"""`gristmill report` in a real Chromium: charts are drawn, a pair shows its diff, and thirty
hostile documents run nothing.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gristmill.cli.difference import unified
from gristmill.cli.reading import StageCount
from gristmill.cli.report.contents import Report, read_report
from gristmill.cli.report.duplicates import Pair
from gristmill.cli.report.flow import flow_of
from gristmill.cli.report.page import render
from gristmill.cli.report.samples import Group, Sample
from gristmill.cli.report.scores import NUM_BINS, Histogram, Threshold
from gristmill.cli.report.sidebyside import side_by_side
from gristmill.cli.report.sourcecode import excerpt

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RUN = "window.pwned=1;alert(1)"
TEN_MB = 10_000_000
HOSTILE: dict[str, str | bytes] = {
    "script.py": f"x = '<script>{RUN}</script>'\n",
    "script_end.js": f"const a = '</script><script>{RUN}</script>';\n",
    "every_end.html": f"</textarea></title></style></pre></table><script>{RUN}</script>\n",
    "image.py": f"# <img src=x onerror='{RUN}'>\nx = 1\n",
    "svg.html": f"<p>a</p><svg onload='{RUN}'><script>{RUN}</script></svg>\n",
    "frame.html": f'<iframe srcdoc="<script>parent.{RUN}</script>" src="http://127.0.0.1:1/"></iframe>\n',
    "link.md": f"# Title\n\n[click](javascript:{RUN}) <a href='javascript:{RUN}'>x</a>\n",
    "refresh.html": "<meta http-equiv=refresh content='0;url=http://127.0.0.1:1/'><p>text</p>\n",
    "base.html": "<base href='http://127.0.0.1:1/'><link rel=stylesheet href='a.css'><p>text</p>\n",
    "css.css": "@import url('http://127.0.0.1:1/a.css');\na { color: url(//127.0.0.1:1/) }\n",
    "override.py": "access = 'user\u202e \u2066# admin\u2069 \u2066'\n",
    "isolates.c": "int a; /* \u2067\u2066 } if (1) { \u2069 */ int b;\n",
    "zero_width.py": "pass\u200bword = 1  # \ufeff\u200d\u2060\n",
    "separators.js": f"const a = 1;\u2028{RUN}\u2029const b = 2;\n",
    "ansi.py": "x = '\x1b[2J\x1b[31mred\x1b[0m'\n",
    "terminal.sh": "echo '\x1b]0;title\x07\x1b]8;;http://127.0.0.1:1/\x1b\\link\x1b]8;;\x1b\\'\n",
    "c1.py": "x = '\x85\x9b31m\x90'\n",
    "carriage.py": "x = 1\rprint('over')\rx = 2\n",
    "long_line.js": "const a = '" + "x" * TEN_MB + "';\n",
    "long_tags.html": "<b>" * (TEN_MB // 3) + "\n",
    "many_lines.py": "x = 1\n" * 200_000,
    "comment.html": f"<p><!--<script></p><script>{RUN}</script>--></p>\n",
    "cdata.xml": f"<?xml version='1.0'?><a><![CDATA[</script><script>{RUN}</script>]]></a>\n",
    "template.py": "x = '{{ 7 * 7 }} {% for a in b %} ${7*7} #{7*7} {{ report.__class__ }}'\n",
    "entities.html": f"<p>&lt;script&gt;{RUN}&lt;/script&gt; &#60;script&#62; &amp;lt;</p>\n",
    "utf7.py": f"x = '+ADw-script+AD4-{RUN}+ADw-/script+AD4-'\n",
    "latin.py": "# größer\nx = '<script>ü</script>'\n".encode("latin-1"),
    "marks.py": "x = 'Z" + "\u0301\u0316\u0489" * 60 + "'\n",
    "proto.json": '{"__proto__": {"pwned": 1}, "constructor": "{a|b}", "x": "</script>"}\n',
    "focus.html": f"<form action='http://127.0.0.1:1/'><input autofocus onfocus='{RUN}'></form>\n",
}
NAMES = (
    f"<img src=x onerror={RUN.replace('=', '＝')}>.py",
    "\u202eyp.evil\u2066.py",
    "\x1b[31mred\x07.py",
    "a'\"><b>&amp;.py",
)


def text(name: str) -> str:
    body = "".join(f"    {name}_{n} = {name}_call_{n}(value_{n}, '{name}')\n" for n in range(40))
    return f"def {name}():\n{body}    return {name}_39\n"


@dataclass
class Visit:
    """A page that was opened, and everything that it tried to do."""

    page: Page
    tried: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing was tried, not even in vain."""
        assert self.tried == []
        assert self.page.evaluate("[window.pwned, window.violations, frames.length]") == [
            None, [], 0,
        ]  # fmt: skip
        assert self.page.evaluate("({}).pwned") is None


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        pytest.fail("these tests need Chromium: `apt-get install chromium`, or set CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    contexts = []

    def visit(path: Path, width: int = 1280, scheme: Any = "light") -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        context.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation',"
            "(event) => window.violations.push(`${event.violatedDirective} ${event.sample}`))"
        )
        made = Visit(context.new_page())
        page = made.page
        page.on("console", lambda message: made.tried.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: made.tried.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (made.tried.append("dialog"), dialog.dismiss()))
        page.on("popup", lambda _: made.tried.append("popup"))
        page.on("request", lambda request: made.tried.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        assert made.tried.pop(0) == f"request: {path.as_uri()}"
        return made

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def out(mill: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over hostile documents, documents of hostile names, duplicates and plain ones."""
    root = tmp_path_factory.mktemp("sources")
    (root / "hostile").mkdir()
    for name, content in HOSTILE.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (root / "hostile" / name).write_bytes(raw)
    (root / "names").mkdir()
    for number, name in enumerate(NAMES):
        (root / "names" / name).write_text(text(f"named_{number}"))
    (root / "plain").mkdir()
    for name in ("one", "two"):
        (root / "plain" / f"{name}.py").write_text(text(name))
        (root / "plain" / f"{name}_copy.py").write_text(text(name))
    near = text("one").replace("one_call_30(value_30, 'one')", "computed('<script>else')")
    (root / "plain" / "one_near.py").write_text(near)
    (root / "plain" / "broken.py").write_text("x = 1\n" * 60 + "def f(:\n" + "y = 2\n" * 60)
    out = tmp_path_factory.mktemp("out") / "out"
    large = mill.with_environment(GRISTMILL_INGESTION_MAX_FILE_BYTES=str(2 * TEN_MB))
    told = large.run(root / "plain", root / "names", root / "hostile", "--out", out)
    assert told["documents"] == len(HOSTILE) + len(NAMES) + 6
    assert told["dropped"]["near_duplicate"] == 1
    return out


@pytest.fixture(scope="module")
def report(mill: Any, out: Path) -> Path:
    path = out.parent / "report.html"
    told = mill("report", out, "-o", path, "--json").told
    assert told["report"] == str(path)
    assert told["bytes"] == path.stat().st_size < 5_000_000
    assert told["documents"] == len(HOSTILE) + len(NAMES) + 6
    return path


def test_charts_are_drawn_and_described(open_page: Open, report: Path) -> None:
    visit = open_page(report)
    charts = visit.page.locator(".chart")
    assert charts.count() == 5
    for chart in charts.all():
        assert chart.get_attribute("data-drawn") == "yes"
        assert chart.get_attribute("role") == "img"
        assert len(chart.get_attribute("aria-label") or "") > 40
        assert chart.locator("svg path").count() > 4
    flow = visit.page.locator("#chart-flow").inner_text()
    for label in ("ingestion", "syntax", "dedup", "shards", "files", "near_duplicate\n1"):
        assert label in flow
    assert "Python" in visit.page.locator("#chart-languages").inner_text()
    assert "syntax" in visit.page.locator("#chart-steps").inner_text()
    visit.check()


def test_a_pair_stands_side_by_side_with_its_diff(open_page: Open, report: Path) -> None:
    visit = open_page(report)
    pair = visit.page.locator(".pair").first
    assert "one_near.py" in pair.locator("summary").first.inner_text()
    left = pair.locator(".sides td.left").all_inner_texts()
    right = pair.locator(".sides td.right").all_inner_texts()
    assert left == ["    one_30 = one_call_30(value_30, 'one')"]
    assert right == ["    one_30 = computed('<script>else')"]
    assert pair.locator(".sides .right mark").inner_text() == "computed('<script>els"
    pair.get_by_text("The same as a diff").click()
    diff = pair.locator(".diff").inner_text().splitlines()
    assert "-" + left[0] in diff
    assert "+" + right[0] in diff
    visit.check()


def test_samples_settings_and_time_are_there(open_page: Open, report: Path) -> None:
    visit = open_page(report)
    page = visit.page
    broken = page.locator(".group", has_text="syntax_errors")
    broken.locator("summary").click()
    here = page.locator("tr.here", has_text="def f(:")
    assert here.locator(".no").inner_text() == "61"
    assert here.locator(".k").inner_text() == "def"
    settings = page.locator("#settings")
    changed = settings.locator("tr.changed").all_inner_texts()
    assert len(changed) == 1
    assert "GRISTMILL_INGESTION_MAX_FILE_BYTES" in changed[0]
    assert "files have a score" in page.locator("#scores").inner_text()
    time = page.locator("#time").inner_text()
    for step in ("reading", "ingestion", "syntax", "dedup", "shards", "other"):
        assert step in time
    assert "done" in time
    visit.check()


def test_no_label_of_the_flow_lies_upon_another(open_page: Open, out: Path, tmp_path: Path) -> None:
    names = [
        "binary",
        "data_file",
        "empty",
        "generated",
        "vendored",
        "undecodable",
        "lock_file",
        "minified",
    ]
    stages = {
        "ingestion": StageCount(3066, {name: 90 // at for at, name in enumerate(names, 1)}),
        "syntax": StageCount(2722, {"unknown_language": 286, "syntax_errors": 58}),
        "dedup": StageCount(2610, {"near_duplicate": 90, "exact_duplicate": 22}),
        "quality": StageCount(2610),
        "shards": StageCount(2610),
    }
    many = [f"/sources/source_{n % 12}" for n in range(stages["ingestion"].seen)]
    ledger = pa.table({"stage": ["ingestion"] * len(many), "source": many})
    flow = flow_of(ledger, stages, below_cut=600)
    path = tmp_path / "flow.html"
    path.write_text(render(replace(read_report(str(out)), flow=flow)), encoding="utf-8")
    for width in (390, 1280):
        visit = open_page(path, width=width)
        boxes = visit.page.eval_on_selector_all(
            "#chart-flow svg text",
            "(all) => all.map((one) => [one.textContent, one.getBoundingClientRect()])",
        )
        shown = {text for text, _ in boxes}
        assert {"unknown_language", "286", "exact_duplicate", "22", "below_cut"} <= shown
        for (one, a), (other, b) in combinations(boxes, 2):
            apart = a["right"] <= b["left"] or b["right"] <= a["left"]
            # Lines of one label may touch.
            apart |= a["bottom"] - 4 <= b["top"] or b["bottom"] - 4 <= a["top"]
            assert apart, (one, other)


def test_scores_are_drawn_with_the_lines_of_their_cut(
    open_page: Open, out: Path, tmp_path: Path
) -> None:
    lines = (Threshold("first", "Python", 0.25, 0.5, 8, 6), Threshold("first", "C", 0.5, 1.0, 4, 2))
    counts = tuple(range(NUM_BINS))
    scores = (Histogram("static.1", sum(counts), 0.66, counts, lines, 7),)
    path = tmp_path / "scores.html"
    path.write_text(render(replace(read_report(str(out)), scores=scores)), encoding="utf-8")
    visit = open_page(path)
    chart = visit.page.locator("#chart-scores-0")
    assert chart.locator("svg path").count() >= NUM_BINS
    for label in ("Python 0.25", "C 0.5"):
        assert label in chart.inner_text()
    assert "75.0%" in visit.page.locator("#scores table").inner_text()
    assert "The newest cut accepts 7 of them." in visit.page.locator("#scores").inner_text()
    visit.check()


def all_of_them(out: Path) -> Report:
    """The report with every hostile document as a sample and as half of a pair."""
    texts = {
        name: content if isinstance(content, str) else content.decode("latin-1")
        for name, content in HOSTILE.items()
    }
    samples = tuple(
        Sample(f"{name} {evil}", "Python", len(text), text, excerpt(text, language), "")
        for (name, text), evil in zip(texts.items(), NAMES * 9, strict=False)
        for language in ("Python", "HTML", None)
    )
    pairs = tuple(
        Pair(name, text, text, 0.9, side_by_side(unified(text, f"{text}more\n", name, name)), "")
        for name, text in texts.items()
    )
    report = read_report(str(out))
    return replace(
        report,
        directory=texts["every_end.html"],
        groups=(Group(texts["script.py"], texts["svg.html"], "dedup", "drop", 90, samples),),
        duplicates=replace(report.duplicates, pairs=pairs),
    )


def test_thirty_hostile_documents_run_nothing(
    open_page: Open, out: Path, tmp_path: Path, report: Path
) -> None:
    assert len(HOSTILE) == 30
    path = tmp_path / "hostile.html"
    path.write_text(render(all_of_them(out)), encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    for page_path in (report, path):
        visit = open_page(page_path)
        visit.page.evaluate(
            "document.querySelectorAll('details').forEach((d) => { d.open = true })"
        )
        for key in ("Tab", "End", "Home"):
            visit.page.keyboard.press(key)
        assert visit.page.evaluate(
            "[document.scripts.length, document.querySelectorAll('main img, main iframe, main form,"
            "main svg script, main style, main link, main base, main meta, main [onload],"
            "main [onerror], main [onfocus], main [href]').length]"
        ) == [3, 0]
        visit.check()
        shown = visit.page.locator("main").text_content() or ""
        for hidden in "\x1b\x07\x85\u200b\u2028\u202e\u2066\ufeff":
            assert hidden not in shown
    for name, content in HOSTILE.items():
        assert name in shown, content
    for seen in (r"\x1b[31m", r"\u202e", r"\u2066", r"\x85", "<script>window.pwned=1"):
        assert seen in shown
    assert f"{TEN_MB + 13 - 180:,} characters more" in shown


def test_even_markup_that_slipped_in_would_run_nothing(
    open_page: Open, report: Path, tmp_path: Path
) -> None:
    slipped = (
        f"<script>{RUN}</script><img src=x onerror='{RUN}'><svg onload='{RUN}'></svg>"
        "<style>main{display:none}</style><link rel=stylesheet href='http://127.0.0.1:1/a.css'>"
        "<iframe src='data:text/html,<script>parent.pwned=1</script>'></iframe>"
    )
    path = tmp_path / "slipped.html"
    page = report.read_text(encoding="utf-8")
    path.write_text(page.replace("<h2>Samples</h2>", slipped), encoding="utf-8")
    visit = open_page(path)
    assert visit.page.evaluate("window.pwned") is None
    refused = {one.split()[0] for one in visit.page.evaluate("window.violations")}
    assert refused >= {
        "script-src-elem", "script-src-attr", "img-src", "style-src-elem", "frame-src",
    }  # fmt: skip
    assert not any(one in {"dialog", "popup"} for one in visit.tried)
    assert visit.page.locator("main").is_visible()
    assert visit.page.locator(".chart[data-drawn]").count() == 5


def test_it_fits_a_telephone_and_follows_the_dark_scheme(open_page: Open, report: Path) -> None:
    backgrounds = set()
    for scheme in ("light", "dark"):
        visit = open_page(report, width=390, scheme=scheme)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        backgrounds.add(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert visit.page.locator(".chart[data-drawn]").count() == 5
        visit.check()
    assert len(backgrounds) == 2


def test_the_same_tables_give_the_same_page_and_what_is_gone_is_said(
    mill: Any, out: Path, report: Path
) -> None:
    again = out.parent / "again.html"
    assert mill("report", out, "-o", again).code == 0
    assert again.read_bytes() == report.read_bytes()
    listings, runs = out / "listings", out / "runs"
    listings.rename(out / "elsewhere")
    runs.rename(out / "not-runs")
    try:
        shown = mill("report", out, "-o", again)
        assert shown.code == 0
        assert shown.out == ""
        page = again.read_text(encoding="utf-8")
    finally:
        (out / "elsewhere").rename(listings)
        (out / "not-runs").rename(runs)
    assert "the text cannot be read again: its source is gone or has changed" in page
    assert "No diff: the dropped text cannot be read again" in page
    assert "Time by step: not recorded here." in page
    assert "Settings and versions: not recorded here." in page


def test_what_is_no_directory_of_a_run_is_refused(mill: Any, tmp_path: Path) -> None:
    finished = mill("report", tmp_path, "-o", tmp_path / "report.html")
    assert finished.code == 2
    assert "is not the output of a gristmill run" in finished.err
    assert list(tmp_path.iterdir()) == []
