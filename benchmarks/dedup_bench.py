"""Gristmill's dedup beside rensa and datasketch: the same documents, the same machine, one process.

Every contestant streams the same Parquet file in a process of its own; all CPU of the process
counts, start-up and imports too. All take 5-token shingles of the same tokens and look for a
similarity of 0.7. The peers get what their documentation asks for: all documents, copies included,
in one pool; they know neither language families nor a durable index. Each runs unmeasured on a few
documents first, so that what is compiled once per machine is compiled. What was right to remove is
told by exact comparison (see dedup_truth.py). Nothing is asserted: goals and values are shown.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from dedup_pack import Pack, first_documents, pack
from dedup_peers import environment
from dedup_report import goals, print_results
from dedup_truth import find_truth, judge
from process_tree import run_measured

from gristmill.cli.console import print_json

_HERE = os.path.dirname(os.path.abspath(__file__))
_PEERS = ("rensa", "datasketch")
_WARM_DOCUMENTS = 100
_INDEX_HELD = 1_000_000


def compare(packed: Pack, out: str, *, repeats: int) -> dict[str, Any]:
    """Let every contestant deduplicate the pack, and judge what they removed."""
    pythons = {"gristmill": sys.executable}
    pythons |= {peer: environment(peer, f"{out}/envs") for peer in _PEERS}
    truth = find_truth(packed, f"{out}/truth.npz")
    for name, python in pythons.items():
        _run(name, python, first_documents(packed, _WARM_DOCUMENTS), out)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for number in range(1, repeats + 1):
        for name, python in pythons.items():  # in turns: the machine's noise meets everybody
            _say(f"run {number} of {repeats}: {name} ...")
            runs[name].append(_run(name, python, packed, out))
            _say(f"  {runs[name][-1]['cpu_seconds']:.1f} CPU s")
    return {
        name: _middle(measured, packed) | judge(truth, _removed(_removals(out, name)))
        for name, measured in runs.items()
    }


def _run(name: str, python: str, packed: Pack, out: str) -> dict[str, Any]:
    removals = _removals(out, name)
    shutil.rmtree(os.path.dirname(removals), ignore_errors=True)
    os.makedirs(os.path.dirname(removals))
    script = os.path.join(_HERE, "dedup_contestants", f"with_{name}.py")
    return _measured([python, script, packed.path, removals, str(packed.num_documents)])


def _measured(command: Sequence[str]) -> dict[str, Any]:
    """Run a command that prints a JSON object; return it with what the process used."""
    usage = run_measured(command)
    if usage.exit_code:
        sys.exit(f"{command[1]} failed with exit code {usage.exit_code}")
    told: dict[str, Any] = json.loads(usage.output)
    return told | {
        "cpu_seconds": round(usage.cpu_seconds, 3),
        "wall_seconds": round(usage.wall_seconds, 3),
        "peak_bytes": usage.peak_bytes,
    }


def _middle(runs: Sequence[dict[str, Any]], packed: Pack) -> dict[str, Any]:
    """Return the run that is the median in CPU seconds (of two: the slower), and the rates."""
    ordered = sorted(runs, key=lambda run: run["cpu_seconds"])
    figures = dict(ordered[len(ordered) // 2])
    megabytes, documents = packed.text_bytes / 1e6, packed.num_documents
    figures["all_cpu_seconds"] = [run["cpu_seconds"] for run in ordered]
    figures["peak_bytes"] = max(run["peak_bytes"] for run in ordered)
    figures["mb_per_cpu_second"] = round(megabytes / figures["cpu_seconds"], 2)
    figures["documents_per_cpu_second"] = round(documents / figures["cpu_seconds"])
    phases = figures["phases"]
    if "sign" in phases:
        signing = phases["texts"] + phases["sign"]
        figures["sign_mb_per_cpu_second"] = round(megabytes / signing, 2)
        figures["admissions_per_cpu_second"] = round(documents / phases["admit"])
    return figures


def _removals(out: str, name: str) -> str:
    return os.path.join(out, "runs", name, "removed")


def _removed(path: str) -> dict[str, str]:
    """Return the matches of removed ids; empty where the contestant does not name them."""
    with open(path, encoding="ascii") as stream:
        parts = (line.rstrip("\n").partition("\t") for line in stream)
        return {identity: match for identity, _, match in parts}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Measure a source and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/dedup_bench.py build/corpus --documents 5000",
    )
    parser.add_argument("source")
    parser.add_argument("--out", default="build/bench/dedup", help="where everything is kept")
    parser.add_argument("--documents", type=int, default=sys.maxsize, help="the first N only")
    parser.add_argument("--repeats", type=int, default=1, help="the median in CPU seconds is told")
    parser.add_argument("--only", choices=("compare", "index"), help="one section of the two")
    parser.add_argument("--held", type=int, default=_INDEX_HELD, help="documents in the index")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    if options.only != "index":
        packed = pack(options.source, os.path.join(options.out, "corpus.parquet"))
        packed = first_documents(packed, options.documents)
        results["documents"], results["text_bytes"] = packed.num_documents, packed.text_bytes
        results["contestants"] = compare(packed, options.out, repeats=options.repeats)
    if options.only != "compare":
        script, scratch = os.path.join(_HERE, "dedup_index.py"), os.path.join(options.out, "index")
        results["index"] = _measured([sys.executable, script, scratch, "--held", str(options.held)])
    results["goals"] = goals(results)
    with open(os.path.join(options.out, "result.json"), "w", encoding="ascii") as stream:
        json.dump(results, stream, indent=1)
    if options.json:
        print_json(results)
    else:
        print_results(results)


if __name__ == "__main__":
    main()
