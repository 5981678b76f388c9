"""A stage: one decision per record, in batches, knowing nothing of engines or brokers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gristmill.runtime.model import Kind, Outcome
from gristmill.runtime.ports.index import DedupIndex
from gristmill.runtime.ports.memo import Memo


class Stage(Protocol):
    """`process` answers every record: same length, same order, always; twice is harmless.

    `version` names rules and settings together: it is written beside each decision and, for gates,
    is part of a source's identity, so that a mended rule looks at everything again.
    """

    @property
    def version(self) -> str:
        """Name the rules and settings that decide."""
        ...

    # Any: ingestion takes RawFile, every later stage Document; a route fits them together.
    def process(self, batch: Sequence[Any]) -> Sequence[Outcome]:
        """Decide each record of the batch."""
        ...


@runtime_checkable
class UsesParsers(Protocol):
    """A stage that hands records to parsers, which may hang, crash, or take all memory."""

    def parser_of(self, record: Any) -> str:  # noqa: ANN401  # as for `process`
        """Name the parser that a record goes to first; empty where that is not known.

        Asked about a record that just ended a process: it must not be given to a parser again.
        """
        ...


@runtime_checkable
class Remembers(Protocol):
    """A stage that finds out the same of the same content, and need not do so twice."""

    def remember_in(self, memo: Memo, cpu_seconds: float) -> None:
        """Give the stage a memory beyond its own process, and say what a document may use."""
        ...

    def remember_ended(self, record: Any) -> None:  # noqa: ANN401  # as for `process`
        """Remember of a record that it used up its CPU seconds here: a copy of it need not.

        As for `parser_of`, it must not be given to a parser again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlugin:
    """How a stage is found and built: the object behind an entry point of `gristmill.stages`.

    `settings` is a frozen keyword-only dataclass; `build` makes the stage of it. A stage that the
    route table does not name says behind which stage it goes (`after`) and for which kinds. A
    stateful stage is built by `build_stateful` with the index and runs in order in one place.
    One that `only_annotates` drops nothing and is cheap: its rules are no part of a source's
    identity, and it runs where the engine is rather than in worker processes.
    """

    name: str
    settings: type
    build: Callable[[Any], Stage] | None = None
    build_stateful: Callable[[Any, DedupIndex], Stage] | None = None
    after: str = ""
    kinds: tuple[Kind, ...] = (Kind.FILE,)
    only_annotates: bool = False

    @property
    def stateful(self) -> bool:
        """Whether records must pass it in order, in one process."""
        return self.build_stateful is not None
