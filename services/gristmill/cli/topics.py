"""`gristmill topics`: what Kafka should hold, and making it so."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from gristmill.cli.console import ERR, OUT, print_json
from gristmill.cli.mill import DIRECTORY

if TYPE_CHECKING:
    from gristmill.runtime.adapters.kafka_settings import KafkaSettings
    from gristmill.runtime.adapters.kafka_topics import Difference
    from gristmill.runtime.adapters.topic_file import Topic

app = typer.Typer(
    help=(
        "Look after the topics in Kafka, at GRISTMILL_KAFKA_BOOTSTRAP or in the local mill.\n\n"
        "Example: gristmill topics apply"
    ),
    no_args_is_help=True,
)

_File = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="Other topics than those of Gristmill.")
]
_Values = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Laid over the topics: YAML of the same form, in parts."),
]
_Partitions = Annotated[
    int | None, typer.Option(metavar="N", help="Partitions of topics that do not say themselves.")
]
_Replication = Annotated[
    int | None, typer.Option(metavar="N", help="Brokers that hold each partition.")
]
_MinInSync = Annotated[
    int | None, typer.Option(metavar="N", help="Of those, how many must have a record.")
]
_Config = Annotated[
    str | None, typer.Option(metavar="FILE", help="Settings as TOML, as given to `run`.")
]
_Mill = Annotated[
    str, typer.Option("--mill", metavar="DIR", help="Where `make up` left its state.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def _group() -> None:
    """Look after the topics in Kafka."""


@app.command("diff")
def diff(
    file: _File = None,
    values: _Values = None,
    partitions: _Partitions = None,
    replication: _Replication = None,
    min_in_sync: _MinInSync = None,
    mill: _Mill = DIRECTORY,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Show what `apply` would change, and what it could not. Nothing is changed.

    The exit code is 0 when nothing differs and 1 when something does.

    Example: gristmill topics diff --values site.yaml
    """
    from gristmill.runtime.adapters.kafka_topics import find_differences

    wanted = _Wanted(file, values, partitions, replication, min_in_sync)
    found = find_differences(_settings(mill, config), wanted.topics())
    if as_json:
        print_json({"differences": [asdict(one) for one in found]})
    elif found:
        _show(found)
    else:
        OUT.print("nothing differs")
    if found:
        raise typer.Exit(1)


@app.command("apply")
def apply(
    file: _File = None,
    values: _Values = None,
    partitions: _Partitions = None,
    replication: _Replication = None,
    min_in_sync: _MinInSync = None,
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning",
            help="Let groups without a place begin at the first record, also where there are some.",
        ),
    ] = False,
    after_rebuild: Annotated[
        bool,
        typer.Option(
            "--after-rebuild",
            help="With --from-beginning: the dedup index was made anew, so nothing is kept twice.",
        ),
    ] = False,
    only_missing: Annotated[
        bool,
        typer.Option("--only-missing", help="Leave topics that are there as they are."),
    ] = False,
    mill: _Mill = DIRECTORY,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Make the topics, change what differs, and give every group its place in new partitions.

    A second time there is nothing to do. A group that has no place where records are is left alone:
    its offsets may have expired, and to begin again is for a person to say. The exit code is 1 when
    something is left that cannot be changed here. With --only-missing what differs in topics that
    are there is told and left, and that is no failure.

    Where stages have decided before, --from-beginning has them decide once more, and dedup would
    keep once more what it kept. So it is refused there, unless the index was made anew since: stop
    the dedup worker, `gristmill dedup rebuild`, then add --after-rebuild.

    Example: gristmill topics apply --replication 3 --partitions 12
    """
    from gristmill.runtime.adapters import kafka_topics

    wanted = _Wanted(file, values, partitions, replication, min_in_sync)
    kafka = _settings(mill, config)
    if from_beginning and not after_rebuild:
        _refuse_if_decided(kafka)
    result = kafka_topics.apply(
        kafka, wanted.topics(), from_beginning=from_beginning, only_missing=only_missing
    )
    if as_json:
        print_json(
            {
                "done": [asdict(one) for one in result.done],
                "left": [asdict(one) for one in result.left],
                "untouched": [asdict(one) for one in result.untouched],
            }
        )
    else:
        for differences in (result.done, result.left, result.untouched):
            _show(differences)
        if not (result.done or result.left or result.untouched):
            OUT.print("nothing to do")
    if result.left:
        ERR.print(f"{len(result.left)} differences are left that could not be changed")
        raise typer.Exit(1)


@app.command("delete")
def delete(
    file: _File = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, not only say it.")] = False,
    mill: _Mill = DIRECTORY,
    config: _Config = None,
) -> None:
    """Delete the topics with all their records, and the groups that read them. Nothing else.

    Without --yes they are only listed, and the exit code is 1 where there are some. Workers must be
    stopped. Index and tables stay: with topics made anew they go on.

    Example: gristmill topics delete --yes
    """
    from gristmill.runtime.adapters import kafka_deletion

    topics = _Wanted(file=file).topics()
    kafka = _settings(mill, config)
    names = (kafka_deletion.delete if yes else kafka_deletion.present_topics)(kafka, topics)
    for name in names:
        OUT.print(f"[bold]{escape(name)}[/bold]  {'deleted' if yes else 'with all its records'}")
    if not names:
        OUT.print(f"no topic of these is at {escape(kafka.bootstrap)}")
    elif not yes:
        ERR.print(f"--yes deletes these {len(names)} topics at {escape(kafka.bootstrap)}")
        raise typer.Exit(1)


@app.command("mend")
def mend(mill: _Mill = DIRECTORY, config: _Config = None, as_json: _Json = False) -> None:
    """Write the ends of transactions that a broker lost; readers stand still before them.

    It happens where a broker dies in the middle of ending one. `gristmill status` counts them.
    What the coordinator decided is written where it is missing; nothing else is touched.

    Example: gristmill topics mend
    """
    from gristmill.runtime.adapters import kafka_mending
    from gristmill.runtime.adapters.topic_file import load_topics

    names = [topic.name for topic in load_topics()]
    mended = kafka_mending.mend(_settings(mill, config), names)
    if as_json:
        print_json({"mended": [asdict(one) for one in mended]})
        return
    endings = {
        True: "commit written",
        False: "abort written",
        None: "left: nobody knows how it ended",
    }
    for one in mended:
        where = f"{one.partition.topic}/{one.partition.number} at {one.offset}"
        OUT.print(f"[bold]{escape(where)}[/bold]  {endings[one.is_commit]}")
    if not mended:
        OUT.print("nothing to mend")
    if any(one.is_commit is None for one in mended):
        raise typer.Exit(1)


@app.command("skip-lost")
def skip_lost(mill: _Mill = DIRECTORY, config: _Config = None, as_json: _Json = False) -> None:
    """Move groups on whose next records retention has deleted: to the first that is there.

    What was deleted is lost, and says so here. Nothing comes twice by it: places only move on. The
    group's workers must be stopped. The shards worker goes by its tables; where those stand before
    the first record, delete and make the topic again, and feed again what is missing.

    Example: gristmill topics skip-lost
    """
    from gristmill.runtime.adapters import kafka_admin
    from gristmill.runtime.adapters.topic_file import load_topics

    groups: dict[str, list[str]] = {}
    for topic in load_topics():
        for group in topic.groups:
            groups.setdefault(group, []).append(topic.name)
    moved = kafka_admin.skip_lost(_settings(mill, config), groups)
    told = [
        {"group": group, "topic": one.topic, "partition": one.number, "from": at, "to": to}
        for group, moves in moved.items()
        for one, (at, to) in moves.items()
    ]
    if as_json:
        print_json({"moved": told})
        return
    for move in told:
        where = f"{move['group']} in {move['topic']}/{move['partition']}"
        OUT.print(f"[bold]{escape(where)}[/bold]  {move['from']} -> {move['to']}")
    if not told:
        OUT.print("nothing is lost")


def _refuse_if_decided(kafka: "KafkaSettings") -> None:
    """Raise BadInput when some stage has decided something in this cluster."""
    from gristmill.runtime.adapters.kafka_admin import num_records
    from gristmill.runtime.engine.envelope import LEDGER_TOPIC
    from gristmill.runtime.model import BadInput

    if num_records(kafka, LEDGER_TOPIC):
        raise BadInput(
            "--from-beginning would double what was kept: stages have decided in this cluster "
            "before. Stop the dedup worker, `gristmill dedup rebuild DIR`, then add --after-rebuild"
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line says of the topics."""

    file: str | None
    values: str | None = None
    partitions: int | None = None
    replication: int | None = None
    min_in_sync: int | None = None

    def topics(self) -> "Sequence[Topic]":
        from gristmill.runtime.adapters.topic_file import load_topics

        flags = {
            "partitions": self.partitions,
            "replication": self.replication,
            "min_in_sync": self.min_in_sync,
        }
        return load_topics(self.file, self.values, flags)


def _settings(mill: str, config: str | None) -> "KafkaSettings":
    from gristmill.cli.mill import find_mill, mill_settings

    settings: KafkaSettings = mill_settings(find_mill(mill), config).sections["kafka"]
    return settings


def _show(differences: "Sequence[Difference]") -> None:
    """Show differences one a line; what is the same in many partitions shares a line."""
    lines: dict[tuple[str, str, str], list[int]] = {}
    for one in differences:
        partitions = lines.setdefault((one.topic, _told(one), one.hindrance), [])
        if one.partition is not None:
            partitions.append(one.partition)
    for (topic, told, hindrance), partitions in lines.items():
        where = f" in partition {', '.join(map(str, partitions))}" if partitions else ""
        OUT.print(f"[bold]{escape(topic)}[/bold]  {escape(told)}{where}")
        if hindrance:
            OUT.print(f"    [yellow]not by apply: {escape(hindrance)}[/yellow]")


def _told(one: "Difference") -> str:
    if one.partition is not None:
        return f"{one.name} begins at {one.wanted}"
    if one.present is None:
        return f"new: {one.wanted}"
    return f"{one.name or one.what}: {one.present} -> {one.wanted}"
