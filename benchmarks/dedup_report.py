"""The figures of the dedup benchmark for people, and the goals that they are held against."""

from collections.abc import Mapping
from typing import Any

from gristmill.cli.console import OUT, bar, human_bytes

_WIDTH = 30
_OURS = "gristmill"


def goals(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each goal with its value and whether it is reached."""
    if "contestants" not in results:
        return []
    ours, *peers = results["contestants"].items()
    figures = ours[1]
    missed = figures["missed"]
    least: list[tuple[str, float, float, str]] = [
        ("documents", results["documents"], 60_000, ""),
        ("text", results["text_bytes"] / 1e6, 400, " MB"),
        ("gristmill, verified and durable", figures["mb_per_cpu_second"], 60, " MB/s"),
        ("signatures alone", figures["sign_mb_per_cpu_second"], 150, " MB/s"),
    ]
    for (name, peer), times in zip(peers, (6, 8), strict=True):
        ratio = figures["mb_per_cpu_second"] / peer["mb_per_cpu_second"]
        least.append((f"gristmill to {name}", round(ratio, 2), times, " times"))
    most: list[tuple[str, float, float, str]] = [
        ("wrong removals", 100 * figures["wrong_share"], 0.2, " %"),
        ("missed pairs at 0.8", 100 * missed["0.8"]["share_of_pairs"], 1.5, " %"),
        ("missed pairs at 0.9", 100 * missed["0.9"]["share_of_pairs"], 0.1, " %"),
        ("peak memory", figures["peak_bytes"] / (1 << 20), 500, " MiB"),
    ]
    if index := results.get("index"):
        opening = index["open_cpu_seconds"] * 1e6 / index["opened_documents"]
        rate = index["admissions_per_cpu_second"]
        least.append(("durable admissions per CPU s", rate, 100_000, ""))
        most += [
            ("memory a kept document", index["memory_bytes_per_document"], 700, " B"),
            ("disk a kept document", index["disk_bytes_per_document"], 320, " B"),
            ("CPU s to open 1e6 documents", opening, 5, " s"),
        ]
    return [
        {"what": w, "value": v, "goal": f"at least {g:,}{unit}", "unit": unit, "reached": v >= g}
        for w, v, g, unit in least
    ] + [
        {"what": w, "value": v, "goal": f"at most {g:,}{unit}", "unit": unit, "reached": v <= g}
        for w, v, g, unit in most
    ]


def print_results(results: Mapping[str, Any]) -> None:
    """Print every section that was measured."""
    if "contestants" in results:
        _print_speed(results)
        _print_phases(results["contestants"][_OURS])
        _print_judgement(results["contestants"])
    if "index" in results:
        _print_index(results["index"])
    if results["goals"]:
        OUT.print("\n[bold]goals[/bold]")
    for goal in results["goals"]:
        mark = "[green]reached[/green]" if goal["reached"] else "[red]missed [/red]"
        value = f"{goal['value']:,.{0 if goal['value'] >= 1000 else 2}f}{goal['unit']}"
        OUT.print(f"  {mark}  {goal['what']:<32}{value:>14}   {goal['goal']}")


def _print_speed(results: Mapping[str, Any]) -> None:
    OUT.print(
        f"\n[bold]dedup of {results['documents']:,} documents, "
        f"{results['text_bytes'] / 1e6:,.1f} MB of text, one process each[/bold]"
    )
    fastest = max(row["mb_per_cpu_second"] for row in results["contestants"].values())
    for name, row in results["contestants"].items():
        OUT.print(
            f"  {name:<11}[cyan]{bar(row['mb_per_cpu_second'] / fastest, _WIDTH):<{_WIDTH}}[/cyan]"
            f"{row['mb_per_cpu_second']:7.1f} MB per CPU second, {row['cpu_seconds']:6.1f} CPU s, "
            f"peak {human_bytes(row['peak_bytes'])}"
        )
    for name, row in results["contestants"].items():
        OUT.print(f"  [dim]{name}: {row['setting']}[/dim]")


def _print_phases(row: Mapping[str, Any]) -> None:
    OUT.print("\n[bold]where gristmill's CPU seconds go[/bold]")
    phases = dict(row["phases"])
    phases["exit"] = max(0.0, row["cpu_seconds"] - sum(phases.values()))
    for name, seconds in phases.items():
        share = seconds / row["cpu_seconds"]
        OUT.print(f"  {name:<15}[cyan]{bar(share, _WIDTH):<{_WIDTH}}[/cyan]{seconds:7.2f} CPU s")
    OUT.print(
        f"  signatures alone {row['sign_mb_per_cpu_second']:,.0f} MB per CPU second, "
        f"admissions alone {row['admissions_per_cpu_second']:,} per CPU second"
    )


def _print_judgement(contestants: Mapping[str, Any]) -> None:
    OUT.print("\n[bold]judged by exact comparison[/bold]")
    OUT.print(f"  {'':<11}{'removed':>9}  {'wrongly':<14}{'kept beside an earlier one at':<30}")
    OUT.print(f"  {'':<11}{'':>9}  {'':<14}" + "".join(f"{level:<26}" for level in ("0.8", "0.9")))
    for name, row in contestants.items():
        wrong = f"{row['wrong']:,} ({row['wrong_share']:.2%})"
        missed = "".join(
            f"{_of(found['contents'], found['of_contents']):<26}"
            for found in row["missed"].values()
        )
        OUT.print(f"  {name:<11}{row['removed']:>9,}  {wrong:<14}{missed}")
    OUT.print("  the same in pairs, both sides kept")
    for name, row in contestants.items():
        for where in ("missed", "missed_across_domains"):
            told = "".join(
                f"{_of(found['pairs'], found['of_pairs']):<26}" for found in row[where].values()
            )
            which = "one family" if where == "missed" else "across families"
            OUT.print(f"  {name:<11}{which:<25}{told}")


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / max(1, whole):.2%})"


def _print_index(row: Mapping[str, Any]) -> None:
    parts = row["memory_bytes_per_document_by_part"]
    OUT.print(f"\n[bold]the durable index with {row['held']:,} documents[/bold]")
    OUT.print(
        f"  {row['admissions_per_cpu_second']:,} admissions per CPU second "
        f"in batches of {row['batch']:,}; while it filled "
        f"{row['admissions_per_cpu_second_while_filling']:,}"
    )
    OUT.print(
        f"  {row['memory_bytes_per_document']:,.0f} bytes of memory a document ("
        + ", ".join(f"{name} {size:,.0f}" for name, size in parts.items())
        + f"), {row['disk_bytes_per_document']:,.0f} bytes of disk, "
        f"peak of the process {human_bytes(row['peak_bytes'])}"
    )
    OUT.print(
        f"  opened in {row['open_cpu_seconds']:.2f} CPU s "
        f"with {row['opened_documents']:,} documents"
    )
