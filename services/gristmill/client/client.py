"""The client: a method for each call, with a deadline, tried again where that may help."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gristmill.client.channel import CallError, Retries, Tls, open_channel, with_retries
from gristmill.client.exchange import exchange
from gristmill.client.items import Batch, require_key
from gristmill.client.window import MOST_REQUEST_BYTES, Item, Window
from gristmill.runtime.model import Accepted, BadInput, Origin, Poison, Receipt, client_problem
from gristmill.runtime.wire import decode_receipts, message_of
from gristmill.runtime.wire.generated.gristmill.dedup.v1 import dedup_pb2, dedup_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import (
    ingestion_pb2,
    ingestion_pb2_grpc,
)
from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2, quality_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.shards.v1 import shards_pb2, shards_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.syntax.v1 import syntax_pb2, syntax_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.v1 import info_pb2, info_pb2_grpc, verdict_pb2

Files = Sequence[verdict_pb2.SourceFile]
RawFiles = Sequence[ingestion_pb2.File]
T = TypeVar("T")
_R = TypeVar("_R", bound=Message)

_MOST_BATCHES = 64  # of one stream without an answer: more than a server has worker processes
_MOST_BATCH_BYTES = 16 << 20


def source_file(content: str, origin: Origin) -> verdict_pb2.SourceFile:
    """Return a file as stages are asked about it. Raises BadInput for what UTF-8 cannot express."""
    try:
        message = verdict_pb2.SourceFile(content=content)
    except UnicodeEncodeError as error:
        raise BadInput("the content holds a lone surrogate, which UTF-8 cannot express") from error
    _set_origin(message.origin, origin)
    return message


def raw_file(content: bytes, origin: Origin) -> ingestion_pb2.File:
    """Return a file as ingestion is asked about it: its bytes as found. Raises BadInput."""
    message = ingestion_pb2.File(content=content)
    _set_origin(message.origin, origin)
    return message


def _set_origin(message: Message, origin: Origin) -> None:
    try:
        message.MergeFromString(message_of(origin).SerializeToString())
    except Poison as error:
        raise BadInput(str(error)) from error


class Client:
    """Talks to one server. `name` tells clients without certificates of their own apart."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        name: str = "",
        timeout_seconds: float = 60.0,
        retries: Retries = Retries(),  # noqa: B008  # a frozen value
    ) -> None:
        """Take the address, host:port; nothing is sent yet. Raises BadInput."""
        if name and (problem := client_problem(name)):
            raise BadInput(f"{name[:40]!a}: {problem}")
        self._channel = open_channel(address, tls)
        self._metadata = (("gristmill-client", name),) if name else ()
        self._timeout_seconds = timeout_seconds
        self._retries = retries

    def check_files(self, files: RawFiles) -> ingestion_pb2.CheckResponse:
        """Return what ingestion says of files; nothing is taken in. Raises CallError."""
        stub = ingestion_pb2_grpc.IngestionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.Check, ingestion_pb2.CheckRequest(files=files), ingestion_pb2.CheckResponse
        )

    def parse(self, files: Files) -> syntax_pb2.ParseResponse:
        """Return what the syntax stage says of files, in their order. Raises CallError."""
        stub = syntax_pb2_grpc.SyntaxServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.Parse, syntax_pb2.ParseRequest(files=files), syntax_pb2.ParseResponse
        )

    def score(self, files: Files) -> quality_pb2.ScoreResponse:
        """Return what the quality stage says of files, in their order. Raises CallError."""
        stub = quality_pb2_grpc.QualityServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.Score, quality_pb2.ScoreRequest(files=files), quality_pb2.ScoreResponse
        )

    def check(self, files: Files) -> dedup_pb2.CheckResponse:
        """Return what dedup would say of files now; nothing is claimed. Raises CallError."""
        stub = dedup_pb2_grpc.DedupServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(stub.Check, dedup_pb2.CheckRequest(files=files), dedup_pb2.CheckResponse)

    def explain(self, file: verdict_pb2.SourceFile) -> dedup_pb2.ExplainResponse:
        """Return what dedup compares a file with, and how like they are. Raises CallError."""
        stub = dedup_pb2_grpc.DedupServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.Explain, dedup_pb2.ExplainRequest(file=file), dedup_pb2.ExplainResponse
        )

    def tables(self, table: str = "", *, limit: int = 0) -> shards_pb2.ListResponse:
        """Return the tables, or one, and their newest snapshots. Raises CallError."""
        stub = shards_pb2_grpc.ShardsServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.List, shards_pb2.ListRequest(table=table, limit=limit), shards_pb2.ListResponse
        )

    def info(self) -> info_pb2.InfoServiceGetResponse:
        """Return who serves, in which version, under which settings. Raises CallError."""
        stub = info_pb2_grpc.InfoServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._call(
            stub.Get, info_pb2.InfoServiceGetRequest(), info_pb2.InfoServiceGetResponse
        )

    def is_serving(self, service: str = "") -> bool:
        """Tell whether a service, or the whole server, says that it serves. Raises CallError."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service=service)
        response = self._call(stub.Check, request, health_pb2.HealthCheckResponse)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def known(self, keys: Sequence[str]) -> Sequence[bool]:
        """Tell for each key whether an item was accepted under it.

        Raises CallError, and BadInput for a key that no item can bear.
        """
        for key in keys:
            require_key(key)
        stub = ingestion_pb2_grpc.IngestionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        request = ingestion_pb2.KnownRequest(keys=keys)
        return self._call(stub.Known, request, ingestion_pb2.KnownResponse).known

    # gRPC carries no types: the caller names what the method answers.
    def _call(self, method: Any, request: Message, answer: type[_R]) -> _R:  # noqa: ANN401
        response = with_retries(
            lambda left: method(request, timeout=left, metadata=self._metadata),
            timeout_seconds=self._timeout_seconds,
            retries=self._retries,
        )
        assert isinstance(response, answer)
        return response

    def submit(
        self,
        items: Iterable[Item],
        *,
        most_items: int = 10_000,
        most_bytes: int = 16 << 20,
        most_request_bytes: int = MOST_REQUEST_BYTES,
    ) -> Iterator[Receipt]:
        """Submit items and yield a receipt for each, in whatever order they come.

        Items are taken while fewer than so many, and so many bytes, have no receipt. A stream that
        breaks is begun again, and only what has no receipt is sent again, under its key. An item
        for which there is no room yet is sent again after the time that the server names. Raises
        CallError when that does not succeed, BadInput at a key that no item can bear, and what
        taking the items, or reading an archive, raised.

        What cannot be sent, a text that UTF-8 cannot express or an item above
        `most_request_bytes`, is refused here: its receipt says so, and the others go on.
        """
        window = Window(
            items,
            most_items=most_items,
            most_bytes=most_bytes,
            most_request_bytes=most_request_bytes,
        )

        def settle(response: bytes) -> Iterator[Receipt]:
            for receipt in decode_receipts(response):
                if not self._is_postponed(window, receipt) and window.answered(receipt.key):
                    yield receipt

        silence = CallError("UNAVAILABLE", "no receipt comes any more")
        yield from self._exchange(ingestion_pb2, "Submit", window, settle, silence)

    def _is_postponed(self, window: Window, receipt: Receipt) -> bool:
        result = receipt.result
        if isinstance(result, Accepted) or result.retry_after_seconds is None:
            return False
        most = self._retries.attempts - 1
        return window.postpone(receipt.key, result.retry_after_seconds, most=most)

    # --- batch after batch ------------------------------------------------------------------------

    def check_files_stream(
        self, batches: Iterable[RawFiles]
    ) -> Iterator[ingestion_pb2.CheckStreamResponse]:
        """Yield what `check_files` says of batch after batch; see `parse_stream`."""
        requests = (ingestion_pb2.CheckStreamRequest(files=files) for files in batches)
        return self._judged(
            ingestion_pb2, "CheckStream", requests, ingestion_pb2.CheckStreamResponse
        )

    def parse_stream(self, batches: Iterable[Files]) -> Iterator[syntax_pb2.ParseStreamResponse]:
        """Yield what `parse` says of batch after batch, in their order.

        Batches are taken while few have no answer. A stream that breaks is begun again with those;
        the deadline is for each silence of the server. Raises CallError, and what taking the
        batches raised.
        """
        requests = (syntax_pb2.ParseStreamRequest(files=files) for files in batches)
        return self._judged(syntax_pb2, "ParseStream", requests, syntax_pb2.ParseStreamResponse)

    def score_stream(self, batches: Iterable[Files]) -> Iterator[quality_pb2.ScoreStreamResponse]:
        """Yield what `score` says of batch after batch; see `parse_stream`."""
        requests = (quality_pb2.ScoreStreamRequest(files=files) for files in batches)
        return self._judged(quality_pb2, "ScoreStream", requests, quality_pb2.ScoreStreamResponse)

    def check_stream(self, batches: Iterable[Files]) -> Iterator[dedup_pb2.CheckStreamResponse]:
        """Yield what `check` says of batch after batch; see `parse_stream`."""
        requests = (dedup_pb2.CheckStreamRequest(files=files) for files in batches)
        return self._judged(dedup_pb2, "CheckStream", requests, dedup_pb2.CheckStreamResponse)

    def _judged(
        self,
        service: ModuleType,
        method: str,
        requests: Iterable[Message],
        answer: type[_R],
    ) -> Iterator[_R]:
        batches = (
            Batch(str(number), request.SerializeToString())
            for number, request in enumerate(requests)
        )
        window = Window(batches, most_items=_MOST_BATCHES, most_bytes=_MOST_BATCH_BYTES)
        numbers = count()  # answers come in the order of the batches, sent again or not

        def settle(response: bytes) -> Iterator[_R]:
            window.answered(str(next(numbers)))
            yield answer.FromString(response)

        silence = CallError("DEADLINE_EXCEEDED", f"no answer for {self._timeout_seconds:g} seconds")
        yield from self._exchange(service, method, window, settle, silence)

    def _exchange(
        self,
        service: ModuleType,
        method: str,
        window: Window,
        settle: Callable[[bytes], Iterator[T]],
        silence: CallError,
    ) -> Iterator[T]:
        (found,) = service.DESCRIPTOR.services_by_name.values()
        opened = self._channel.stream_stream(f"/{found.full_name}/{method}")
        return exchange(
            lambda requests: opened(requests, metadata=self._metadata),
            window,
            settle,
            silence=silence,
            timeout_seconds=self._timeout_seconds,
            retries=self._retries,
        )

    def close(self) -> None:
        """Close the connection; twice is harmless."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
