"""`gristmill dead`: what workers set aside, looked at and sent in again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.console import ERR, OUT, human_bytes, print_json, safe
from gristmill.cli.mill import DIRECTORY

if TYPE_CHECKING:
    from gristmill.runtime.adapters.kafka_settings import KafkaSettings
    from gristmill.runtime.model.routes import Route
    from gristmill.runtime.ports import Delivery, Partition

app = typer.Typer(
    help="Look at dead letters and send them in again.\n\nExample: gristmill dead list",
    no_args_is_help=True,
)
_SHOWN_BYTES = 2000

Mill = Annotated[str, typer.Option("--mill", metavar="DIR", help="Where `make up` left its state.")]
Stage = Annotated[str | None, typer.Option(metavar="STAGE", help="Only what this stage set aside.")]
Why = Annotated[str | None, typer.Option("--reason", metavar="CODE", help="Only for this reason.")]


@app.callback()
def _group() -> None:
    """Look at dead letters and send them in again."""


@app.command("list")
def list_letters(
    stage: Stage = None,
    reason: Why = None,
    mill: Mill = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the letters that nobody has replayed.

    Example: gristmill dead list --stage syntax
    """
    letters = [_about(letter) for letter in _pending(_kafka(mill))]
    _refuse_unknown(letters, stage, reason)
    meant = [about for about in letters if _is_meant(about, stage, reason)]
    for about in meant:
        if as_json:
            print_json(about)
        else:
            OUT.print(
                f"[bold]{about['letter']:<8}[/bold] {escape(about['stage']):<10} "
                f"[red]{escape(about['reason']):<16}[/red] {human_bytes(about['bytes']):>9}  "
                f"[dim]{escape(about['topic'])}/{about['partition']}/{about['offset']} "
                f"attempt {about['attempt']}[/dim]  {escape(safe(about['detail'], 120))}"
            )
    if not as_json:
        ERR.print(f"{len(meant):,} dead letters")


@app.command("show")
def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="As `list` names it, 0:17.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the record's own bytes.")] = False,
    mill: Mill = DIRECTORY,
) -> None:
    """Show one letter: where it was, why it was set aside, and the beginning of its bytes.

    Example: gristmill dead show 0:17
    """
    from gristmill.runtime.model import BadInput

    for one in _pending(_kafka(mill)):
        about = _about(one)
        if about["letter"] != letter:
            continue
        if raw:
            sys.stdout.buffer.write(one.value)
            return
        for name, value in about.items():
            OUT.print(f"[bold]{name:<16}[/bold] {escape(safe(str(value)))}")
        OUT.print(escape(safe(repr(one.value[:_SHOWN_BYTES]), 2 * _SHOWN_BYTES)))
        return
    raise BadInput(f"there is no dead letter {letter}; `gristmill dead list` names them")


@app.command("replay")
def replay(
    letter: Annotated[
        str | None, typer.Argument(metavar="[LETTER]", help="Only this one, as `list` names it.")
    ] = None,
    stage: Stage = None,
    reason: Why = None,
    mill: Mill = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send letters in again, to the topic that they came from, under their first position.

    A letter is taken out in the same transaction that sends it in. Those not meant stay, behind
    the others.

    Example: gristmill dead replay --stage syntax; gristmill dead replay 0:17
    """
    replayed, kept = _replay(mill, letter, stage, reason)
    if as_json:
        print_json({"replayed": replayed, "left": kept})
    else:
        ERR.print(f"{replayed:,} dead letters sent in again, {kept:,} left")


def _kafka(mill: str) -> "KafkaSettings":
    from gristmill.cli.mill import find_mill, mill_settings

    settings: KafkaSettings = mill_settings(find_mill(mill)).sections["kafka"]
    return settings


def _pending(kafka: "KafkaSettings") -> "Iterator[Delivery]":
    from gristmill.runtime.adapters.kafka_admin import group_offsets
    from gristmill.runtime.adapters.kafka_scan import scan_topic
    from gristmill.runtime.engine.envelope import DEAD_TOPIC, group_of

    return scan_topic(kafka, DEAD_TOPIC, group_offsets(kafka, group_of("dead"), DEAD_TOPIC))


def _about(letter: "Delivery") -> dict[str, Any]:
    headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers}
    return {
        "letter": f"{letter.partition.number}:{letter.offset}",
        "stage": headers.get("dead-stage", ""),
        "reason": headers.get("dead-reason", ""),
        "detail": headers.get("dead-detail", ""),
        "topic": headers.get("dead-topic", ""),
        "partition": headers.get("dead-partition", ""),
        "offset": headers.get("dead-offset", ""),
        "version": headers.get("dead-version", ""),
        "at": headers.get("dead-at", ""),
        "attempt": headers.get("attempt", "1"),
        "position_source": headers.get("position-source", ""),
        "position_offset": headers.get("position-offset", ""),
        "kind": headers.get("kind", ""),
        "key": letter.key.decode("utf-8", "replace"),
        "bytes": len(letter.value),
    }


def _is_meant(
    about: dict[str, Any], stage: str | None, reason: str | None, letter: str | None = None
) -> bool:
    return (
        stage in {None, about["stage"]}
        and reason in {None, about["reason"]}
        and letter in {None, about["letter"]}
    )


def _refuse_unknown(
    letters: Sequence[dict[str, Any]], stage: str | None, reason: str | None
) -> None:
    """Refuse a name that nothing has and no letter holds: it is a mistake, not an empty answer."""
    from gristmill.runtime.adapters.plugins import load_plugins
    from gristmill.runtime.model import BadInput, Reason

    stages = {about["stage"] for about in letters} | set(load_plugins())
    if stage is not None and stage not in stages:
        raise BadInput(f"there is no stage {stage!r}; stages are {', '.join(sorted(stages))}")
    reasons = {about["reason"] for about in letters}
    if reason is not None and reason not in reasons | set(Reason):
        held = ", ".join(sorted(reasons)) or "of no reason, there are none"
        raise BadInput(f"there is no reason {reason!r}; the letters here are {held}")


def _replay(
    mill: str, letter: str | None, stage: str | None, reason: str | None
) -> tuple[int, int]:
    from gristmill.cli.mill import find_mill, mill_settings, route_of_mill
    from gristmill.runtime.adapters.clock import SystemClock
    from gristmill.runtime.adapters.kafka_admin import remove_member, skip_lost, topic_sources
    from gristmill.runtime.adapters.kafka_log import KafkaLog
    from gristmill.runtime.engine.envelope import DEAD_TOPIC, group_of
    from gristmill.runtime.engine.replay import can_be_sent_in, replay_letters
    from gristmill.runtime.model import BadInput, Transient

    settings = mill_settings(find_mill(mill))
    kafka: KafkaSettings = settings.sections["kafka"]
    # Letters that retention took before anybody replayed are gone: reading begins behind them.
    skip_lost(kafka, {group_of("dead"): [DEAD_TOPIC]})
    wanted: dict[Partition, int] = {}  # the last letter of each partition
    letters, stuck = [], set()
    for one in _pending(kafka):
        wanted[one.partition] = one.offset
        letters.append(_about(one))
        if not can_be_sent_in(one):
            stuck.add(letters[-1]["letter"])
    _refuse_unknown(letters, stage, reason)
    meant = [about for about in letters if _is_meant(about, stage, reason, letter)]
    if letter is not None and letter not in {about["letter"] for about in letters}:
        raise BadInput(f"there is no dead letter {letter}; `gristmill dead list` names them")
    if letter in stuck:
        raise BadInput(
            f"{letter} cannot be sent in: it does not say where it came from, or its bytes were "
            "too many for a letter and are where it stood"
        )
    # Nothing is written where nothing is sent in.
    if not any(about["letter"] not in stuck for about in meant):
        return 0, len(letters)
    instance = f"{group_of('dead')}-0"
    log = KafkaLog(
        kafka,
        group=group_of("dead"),
        instance=instance,
        topics=[DEAD_TOPIC],
        log=_Warnings(),
        clock=SystemClock(),
    )
    try:
        return replay_letters(
            log,
            wanted,
            lambda one: _is_meant(_about(one), stage, reason, letter),
            cache(lambda topic: topic_sources(kafka, [topic])[topic]),
            _entries(route_of_mill(settings)),
        )
    finally:
        log.close()
        with suppress(Transient):  # the next replay would only wait for the end of its session
            remove_member(kafka, group_of("dead"), instance)


def _entries(route: "Route") -> "Callable[[str], str]":
    """Return what tells the topic by which the records of a topic go in again.

    What stages behind dedup set aside passes dedup once more: its claim may have been given up
    meanwhile, by a rebuild or behind another log, and a copy of it kept in its stead.
    """
    from gristmill.runtime.engine.envelope import topic_of

    behind = {topic_of(stage) for stage in (*route[route.index("dedup") + 1 :], "shards")}
    return lambda topic: topic_of("dedup") if topic in behind else topic


class _Warnings:
    """What Kafka's clients tell, for a person who waits for an answer: only what goes wrong."""

    def info(self, event: str, /, **fields: object) -> None:
        """Pass over what goes as it should."""

    def warning(self, event: str, /, **fields: object) -> None:
        """Say what went wrong and is being put right."""
        told = "".join(f", {name} {value}" for name, value in fields.items())
        ERR.print(escape(safe(f"{event}{told}", 200)))

    error = warning
