"""`gristmill submit`: raw files out of sources through the front door, each acknowledged."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.cli.connecting import TlsCa, TlsCertificate, TlsKey, mill_tls, tls_of, why_failed
from gristmill.cli.console import ERR, human_bytes, print_json
from gristmill.cli.mill import DIRECTORY, LocalMill
from gristmill.cli.selecting import (
    Archives,
    Exclude,
    GitHead,
    Include,
    Map,
    MetadataFile,
    columns_of,
    metadata_of,
    selection_of,
)
from gristmill.cli.source_progress import Reading

if TYPE_CHECKING:
    from gristmill.client import CallError, Client, Receipt, Tls
    from gristmill.runtime.model import Submission
    from gristmill.runtime.ports import Source

_ASKED_ITEMS = 500
_ASKED_BYTES = 4 << 20
_SAY_SECONDS = 5.0
_ATTEMPTS = 12
_MOST_TOLD = 20
_OTHER_CLIENT = "submit"


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="What to read.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="host:port of the front door; else `make up`'s."),
    ] = None,
    client: Annotated[
        str, typer.Option(metavar="NAME", help="Whose keys and quota; a certificate goes before.")
    ] = _OTHER_CLIENT,
    tls_ca: TlsCa = "",
    tls_certificate: TlsCertificate = "",
    tls_key: TlsKey = "",
    include: Include = None,
    exclude: Exclude = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after N items in all.")
    ] = None,
    archives: Archives = True,
    git_head: GitHead = False,
    mapping: Map = None,
    metadata: MetadataFile = None,
    mill: Annotated[
        str, typer.Option(metavar="DIR", help="Where `make up` left its state.")
    ] = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Submit raw files over gRPC; an item counts when the log has acknowledged it.

    SOURCE is what `gristmill run` takes. Keys are made of content and place: begin again after a
    kill, and what was accepted is known and not sent again. Exit code 1: something was refused,
    or the server was gone for too long.

    Example: gristmill submit ~/src 'dists/*.tar.gz'

    Example: gristmill submit mirrors/*.git --to mill.example:50051 --tls-ca ca.pem
    """
    from gristmill.cli.local import archive_limits
    from gristmill.cli.mill import find_mill, mill_settings
    from gristmill.client import Client, Retries
    from gristmill.runtime.adapters.listing import Terms
    from gristmill.runtime.adapters.sources import open_sources
    from gristmill.runtime.engine.garbage import seldom_searched

    found = find_mill(mill)
    sections = mill_settings(found).sections
    address = _address(to, found)
    tls = tls_of(tls_ca, tls_certificate, tls_key) or mill_tls(address, found)
    terms = Terms(
        selection=selection_of(include, exclude, mill, archives=archives),
        limits=archive_limits(sections["ingestion"]),
        rules=(),
        columns=columns_of(mapping),
        metadata=metadata_of(metadata),
    )
    listed = open_sources(sources, terms, git_head=git_head, settings=sections["sources"])
    waiting = _Waiting(address, tls)
    patient = Retries(
        attempts=_ATTEMPTS, told=waiting.say
    )  # a server that is started again is waited for
    with Client(address, tls=tls, name=client, retries=patient) as connection:
        work = _Submitting(connection, listed, sections["ingestion"].max_file_bytes, limit)
        with seldom_searched():
            _run(work, as_json=as_json)
    if terms.metadata is not None and (known := terms.metadata.report()):
        ERR.print(known, markup=False)
    work.say_end(as_json=as_json)
    if work.refusals:
        raise typer.Exit(1)


def _run(work: "_Submitting", *, as_json: bool) -> None:
    """Submit everything; where that breaks off, say what became of it so far."""
    from gristmill.client import CallError

    try:
        work.run()
    except CallError as error:
        work.say_end(as_json=as_json, error=str(error))
        raise
    except KeyboardInterrupt:
        work.say_end(as_json=as_json, error="interrupted")
        raise typer.Exit(130) from None


def _address(to: str | None, mill: "LocalMill") -> str:
    from gristmill.runtime.model import BadInput

    if to:
        return to
    if "ingestion" not in mill.services:
        raise BadInput("no mill runs here: start one by `make up`, or name a server by --to")
    return str(mill.services["ingestion"]["grpc"])


class _Waiting:
    """Says now and then why nothing moves."""

    def __init__(self, address: str, tls: "Tls | None") -> None:
        self._address = address
        self._tls = tls
        self._said = -_SAY_SECONDS

    def say(self, error: "CallError") -> None:
        """Say it, unless it was said a moment ago."""
        if time.monotonic() - self._said >= _SAY_SECONDS:
            self._said = time.monotonic()
            why = why_failed(error, self._tls)
            ERR.print(f"waiting for {self._address}: {why}", markup=False)


class _Submitting:
    """Sends what sources hold and counts what became of it."""

    def __init__(
        self,
        client: "Client",
        sources: "Sequence[Source]",
        max_file_bytes: int,
        limit: int | None,
    ) -> None:
        self._client = client
        self._reading = Reading(sources)
        self._max_file_bytes = max_file_bytes
        self._limit = limit
        self._paths: dict[str, str] = {}
        self._began = self._said = time.monotonic()
        self.accepted = self.known_before = self.num_bytes = 0
        self.refusals: Counter[str] = Counter()

    def run(self) -> None:
        """Submit everything. Raises CallError when the server does not take it."""
        for receipt in self._client.submit(self._unknown()):
            self._count(receipt)
            self._say_now_and_then()

    def _unknown(self) -> "Iterator[Submission]":
        """Yield the items that the server does not know yet."""
        for batch in self._batches():
            answers = self._client.known([item.key for item in batch])
            for item, is_known in zip(batch, answers, strict=True):
                if is_known:
                    self.known_before += 1
                else:
                    self._paths[item.key] = _path_of(item)
                    yield item
            self._say_now_and_then()  # what is known brings no receipt

    def _batches(self) -> "Iterator[list[Submission]]":
        from gristmill.client import Submission, item_key
        from gristmill.runtime.adapters.files import reader
        from gristmill.runtime.engine.crawl import crawl_item

        read = reader(self._max_file_bytes)
        batch: dict[str, Submission] = {}
        weight = 0
        for count, entry in enumerate(self._reading.entries(), start=1):
            item = crawl_item(read(entry))
            weight += len(item.content or b"")
            self.num_bytes += len(item.content or b"")
            key = item_key(item)
            if key in batch or key in self._paths:  # a source may hold one file twice
                self.known_before += 1
            else:
                batch[key] = Submission(key, item)
            if len(batch) >= _ASKED_ITEMS or weight >= _ASKED_BYTES or count == self._limit:
                yield list(batch.values())
                batch, weight = {}, 0
            if count == self._limit:
                return
        if batch:
            yield list(batch.values())

    def _count(self, receipt: "Receipt") -> None:
        from gristmill.client import Accepted

        path = self._paths.pop(receipt.key)
        result = receipt.result
        if isinstance(result, Accepted):
            self.accepted += not result.known_before
            self.known_before += result.known_before
            return
        self.refusals[result.reason.value] += 1
        if self.refusals.total() <= _MOST_TOLD:
            ERR.print(f"refused: {path!a}: {result.reason}: {result.detail}", markup=False)

    def _say_now_and_then(self) -> None:
        if time.monotonic() - self._said >= _SAY_SECONDS:
            self._said = time.monotonic()
            ERR.print(f"{self._reading.share:4.0%}  {self._line()}")

    def _line(self) -> str:
        return (
            f"{self.accepted:,} items accepted, {self.known_before:,} known before, "
            f"{self.refusals.total():,} refused"
        )

    def say_end(self, *, as_json: bool, error: str = "") -> None:
        """Say what became of everything, or of what came before an error."""
        if as_json:
            print_json(self._told() | ({"error": error} if error else {}))
        else:
            seconds = time.monotonic() - self._began
            ERR.print(f"{self._line()}; read {human_bytes(self.num_bytes)} in {seconds:,.1f} s")
        if error:
            ERR.print("not all has a receipt: begin again, and what was accepted is not sent again")

    def _told(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "known_before": self.known_before,
            "refused": self.refusals.total(),
            "reasons": dict(self.refusals),
            "bytes": self.num_bytes,
            "seconds": round(time.monotonic() - self._began, 3),
        }


def _path_of(item: "Submission") -> str:
    from gristmill.runtime.model import CrawlItem

    assert isinstance(item.body, CrawlItem)
    return item.body.origin.path or item.body.origin.url
