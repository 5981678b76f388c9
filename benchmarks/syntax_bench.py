"""What the syntax check costs beside a bare parse, in CPU seconds of one process.

Every file that a grammar or a language's own parser judges is read three ways, one after the other:
the bare tree-sitter parse by the language's grammar, the verdict, and the verdict with features.
Then the last is done by one worker process and by two at once.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any

from gristmill.cli import local
from gristmill.cli.console import OUT, bar, print_json
from gristmill.ingestion.settings import IngestionSettings
from gristmill.ingestion.stage import IngestionStage
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import Selection
from gristmill.runtime.model import FileText, Keep
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax.grammars import candidate_of, grammar_of
from gristmill.syntax.inference import infer_language
from gristmill.syntax.opinions import opinion_on
from gristmill.syntax.parse import parser_for
from gristmill.syntax.verdict import examine, judge

_CHUNK = 200
_SHOWN = 25
_WIDTH = 20
_GOALS = {"verdict": 0.85, "features": 0.60}  # docs/adr/0015: why not 0.70
_TWO_WORKERS = 1.15

Text = tuple[str, str]  # the language's name, the text


def texts(source: str, out: str, every: int) -> Iterator[Text]:
    """Yield the texts of a source that are checked, as ingestion keeps them."""
    request = local.RunRequest(sources=(source,), out=out, selection=Selection())
    settings = IngestionSettings()
    read, stage = reader(settings.max_file_bytes), IngestionStage(settings)
    entries = local.plan_run(request).sources[0].entries(0)
    for entry in islice(entries, 0, None, every):
        (outcome,) = stage.process([read(entry)])
        if not isinstance(outcome, Keep) or not isinstance(outcome.document.body, FileText):
            continue
        text = outcome.document.body.content
        language = infer_language(outcome.document.origin.path, text).language
        if language is not None and grammar_of(language) is not None:
            yield language.name, text


def _bare(language: Language, text: str) -> object:
    grammar = candidate_of(language)
    assert grammar is not None
    return parser_for(grammar).parse(text.encode())


_WAYS: dict[str, Callable[[Language, str], object]] = {
    "bare": _bare,
    "verdict": judge,
    "features": examine,
}


def measure(chunks: Sequence[Sequence[Text]]) -> dict[str, dict[str, float]]:
    """Return CPU seconds by language and way, each chunk in every way, in turns."""
    seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for number, chunk in enumerate(chunks):
        ways = list(_WAYS)
        shift = number % len(ways)
        for way in ways[shift:] + ways[:shift]:
            _work(chunk, way, seconds)
    return {name: dict(row) for name, row in seconds.items()}


def _work(chunk: Sequence[Text], way: str, seconds: dict[str, dict[str, float]]) -> None:
    work = _WAYS[way]
    for name, text in chunk:
        language = find_language(name)
        assert language is not None
        began = time.process_time()
        work(language, text)
        seconds[name][way] += time.process_time() - began


def _warm(languages: Sequence[str]) -> None:
    """Load what is loaded once a process."""
    for name in languages:
        language = find_language(name)
        assert language is not None
        opinion_on(name, "")
        for work in _WAYS.values():
            work(language, "x")


def _share(texts_of_one: Sequence[Text]) -> float:
    _warm(sorted({name for name, _ in texts_of_one}))
    began = time.process_time()
    for name, text in texts_of_one:
        language = find_language(name)
        assert language is not None
        examine(language, text)
    return time.process_time() - began


def workers_cpu(all_texts: Sequence[Text], num_workers: int) -> float:
    """Return the CPU seconds that all texts take, spread over workers that run at once."""
    parts = [all_texts[number::num_workers] for number in range(num_workers)]
    with ProcessPoolExecutor(num_workers, mp_context=get_context("fork")) as pool:
        return sum(pool.map(_share, parts))


def figures(seconds: dict[str, dict[str, float]], found: Sequence[Text]) -> dict[str, Any]:
    """Return totals, ratios to the bare parse, and the same by language."""
    totals = {way: sum(row[way] for row in seconds.values()) for way in _WAYS}
    sizes: dict[str, int] = defaultdict(int)
    for name, text in found:
        sizes[name] += len(text.encode())
    return {
        "files": len(found),
        "bytes": sum(sizes.values()),
        "cpu_seconds": {way: round(one, 3) for way, one in totals.items()},
        "speed_to_bare": {way: round(totals["bare"] / totals[way], 4) for way in _GOALS},
        "languages": {
            name: {
                "bytes": sizes[name],
                **{way: round(row[way], 4) for way in _WAYS},
                **{f"{way}_to_bare": round(row["bare"] / row[way], 3) for way in _GOALS},
            }
            for name, row in sorted(seconds.items(), key=lambda item: -item[1]["bare"])
        },
    }


def show(told: dict[str, Any]) -> None:
    """Print the figures."""
    OUT.print(f"{told['files']:,} files, {told['bytes'] / 1e6:,.1f} MB, {told['cpu_seconds']}")
    for name, row in list(told["languages"].items())[:_SHOWN]:
        speed = row["features_to_bare"]
        OUT.print(
            f"  {name:<18} {row['bare']:8.2f} s bare  {row['verdict_to_bare']:6.2f} verdict  "
            f"{speed:6.2f} features  {bar(min(1.0, speed), _WIDTH)}"
        )
    for way, goal in _GOALS.items():
        speed = told["speed_to_bare"][way]
        mark = "[green]reached[/green]" if speed >= goal else "[red]missed [/red]"
        OUT.print(f"  {mark} {way} at {speed:.1%} of the bare parse's speed, at least {goal:.0%}")
    ratio = told["two_workers_to_one"]
    mark = "[green]reached[/green]" if ratio <= _TWO_WORKERS else "[red]missed [/red]"
    OUT.print(f"  {mark} two workers take {ratio:.2f} times the CPU of one, at most {_TWO_WORKERS}")


def main() -> None:
    """Measure a source and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/syntax_bench.py build/corpus --every 10",
    )
    parser.add_argument("source")
    parser.add_argument("--out", default="build/bench/syntax", help="a directory to plan in")
    parser.add_argument("--every", type=int, default=1, help="one file in so many only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    found = list(texts(options.source, os.path.join(options.out, "plan"), options.every))
    _warm(sorted({name for name, _ in found}))
    chunks = [found[at : at + _CHUNK] for at in range(0, len(found), _CHUNK)]
    told = figures(measure(chunks), found)
    one, two = workers_cpu(found, 1), workers_cpu(found, 2)
    told["workers_cpu_seconds"] = {"1": round(one, 3), "2": round(two, 3)}
    told["two_workers_to_one"] = round(two / one, 4)
    if options.json:
        print_json(told)
    else:
        show(told)
    reached = all(told["speed_to_bare"][way] >= goal for way, goal in _GOALS.items())
    sys.exit(0 if reached and told["two_workers_to_one"] <= _TWO_WORKERS else 1)


if __name__ == "__main__":
    main()
