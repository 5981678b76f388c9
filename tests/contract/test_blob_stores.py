"""The port BlobStore: one suite for the stores in memory, in files and in S3, on a real SeaweedFS.

What the server of S3 does when it is stopped, frozen, without its bucket or shown a wrong key is
asked of the real one; answers that it never gives come from a server made here.
"""

import hashlib
import http.server
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from seaweed import BUCKET, TIMEOUT_SECONDS, Seaweed, eventually

from gristmill.runtime.adapters.blobs import (
    BlobSettings,
    FileBlobStore,
    MemoryBlobStore,
    blob_reference,
    open_blob_store,
)
from gristmill.runtime.adapters.s3_blobs import S3BlobStore
from gristmill.runtime.model import BlobReference, Fatal, Poison, Reason, Transient
from gristmill.runtime.ports import BlobStore

DAY = date(2026, 11, 26)
_SHORT_SECONDS = 1.0  # the timeout where the server is known to be out
_DEADLINE_SECONDS = 10.0  # two short timeouts, a pause between them, and a loaded machine


@pytest.fixture(scope="module")
def seaweed() -> Iterator[Seaweed]:
    with tempfile.TemporaryDirectory() as directory:
        server = Seaweed(directory)
        try:
            server.start()
            server.wait_until_ready()
            yield server
        finally:
            server.kill()


@dataclass(frozen=True)
class Place:
    """A store, and a way to change what lies there behind its back."""

    store: BlobStore
    overwrite: Callable[[str, bytes], None]


def _memory() -> Place:
    store = MemoryBlobStore()

    def overwrite(key: str, data: bytes) -> None:
        store.blobs[key] = data

    return Place(store, overwrite)


def _files(directory: Path) -> Place:
    def overwrite(key: str, data: bytes) -> None:
        (directory / key).write_bytes(data)

    return Place(FileBlobStore(str(directory)), overwrite)


def _s3(server: Seaweed, prefix: str, **given: Any) -> Place:
    def overwrite(key: str, data: bytes) -> None:
        with server.files().open_output_stream(f"{BUCKET}/{prefix}/{key}") as stream:
            stream.write(data)

    settings = server.settings(url=f"s3://{BUCKET}/{prefix}", **given)
    return Place(open_blob_store(settings), overwrite)


@pytest.fixture(params=["memory", "files", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return _memory()
    if request.param == "files":
        return _files(tmp_path / "store")
    return _s3(request.getfixturevalue("seaweed"), f"of/{os.urandom(8).hex()}")


def put(store: BlobStore, data: bytes) -> BlobReference:
    reference = blob_reference(data, DAY)
    store.put(reference, data)
    return reference


def assert_unreadable(store: BlobStore, reference: BlobReference) -> None:
    with pytest.raises(Poison) as caught:
        store.get(reference)
    assert caught.value.reason is Reason.UNREADABLE


SIZES = [0, 1, 256 << 10, 5 << 20, 12 << 20]  # the last is more than one request to S3 takes


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_got(place: Place, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert place.store.get(put(place.store, data)) == data


def test_putting_again_is_harmless(place: Place) -> None:
    first, again = put(place.store, b"grain"), put(place.store, b"grain")
    assert first == again
    assert place.store.get(first) == b"grain"


def test_the_same_bytes_of_two_days_are_two_blobs(place: Place) -> None:
    for day in (DAY, date(2026, 11, 27)):
        reference = blob_reference(b"grain", day)
        assert_unreadable(replace_first(place.store), reference)
        place.store.put(reference, b"grain")
        assert place.store.get(reference) == b"grain"


def replace_first(store: BlobStore) -> BlobStore:
    """Return the store with something in it: one in which nothing ever lay is another case."""
    put(store, b"something else")
    return store


def test_a_missing_blob_is_unreadable(place: Place) -> None:
    put(place.store, b"another")
    assert_unreadable(place.store, blob_reference(b"never put", DAY))


@pytest.mark.parametrize(
    "changed", [b"grain\x00flour", b"", b"grain flou", b"grain flour and more", b"Grain flour"]
)
def test_bytes_changed_in_the_store_are_unreadable(place: Place, changed: bytes) -> None:
    reference = put(place.store, b"grain flour")
    place.overwrite(reference.key, changed)
    assert_unreadable(place.store, reference)


def test_a_truncated_large_blob_is_unreadable(place: Place) -> None:
    data = random.Random(1).randbytes(1 << 20)
    reference = put(place.store, data)
    place.overwrite(reference.key, data[:-1])
    assert_unreadable(place.store, reference)


GRAIN = hashlib.sha256(b"grain").hexdigest()
HOSTILE_KEYS = [
    "",
    "/",
    "../../etc/passwd",
    "/etc/passwd",
    f"blobs/../{GRAIN}",
    f"blobs/2026-11-26/../../{GRAIN}",
    f"/blobs/2026-11-26/{GRAIN}",
    f"blobs/2026-11-26/{GRAIN}/",
    f"blobs/2026-11-26/{GRAIN}\n",
    f"blobs/2026-11-26/{GRAIN}\0",
    f"blobs//2026-11-26/{GRAIN}",
    f"blobs/2026-11-26/{GRAIN.upper()}",
    f"blobs/٢٠٢٦-11-26/{GRAIN}",
    f"other/2026-11-26/{GRAIN}",
    "blobs/2026-11-26/" + "0" * 64,  # of another hash than the reference says
    "blobs/2026-11-26/\ud800",
    "x" * 100_000,
]


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=range(len(HOSTILE_KEYS)))
def test_a_hostile_key_is_unreadable_and_never_written(place: Place, key: str) -> None:
    hostile = replace(put(place.store, b"grain"), key=key)
    assert_unreadable(place.store, hostile)
    with pytest.raises(Poison):
        place.store.put(hostile, b"grain")


def test_a_hostile_hash_or_size_is_unreadable(place: Place) -> None:
    reference = put(place.store, b"grain")
    for hostile in (
        replace(reference, sha256="0" * 64),
        replace(reference, size_bytes=-1),
        replace(reference, size_bytes=4),
        replace(reference, size_bytes=1 << 62),  # never asked of the memory either
    ):
        assert_unreadable(place.store, hostile)


def test_many_writers_of_one_blob_do_not_meet(place: Place) -> None:
    data = random.Random(2).randbytes(300_000)
    reference = blob_reference(data, DAY)

    def work(_: int) -> bytes:
        place.store.put(reference, data)
        return place.store.get(reference)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [data] * 8


def assert_out(store: BlobStore, held: BlobReference, fresh: bytes) -> None:
    """Both calls say that the store does not answer, and say so in time."""
    for call in (lambda: store.get(held), lambda: put(store, fresh)):
        begin = time.monotonic()
        with pytest.raises(Transient, match="does not answer"):
            call()
        assert time.monotonic() - begin < _DEADLINE_SECONDS


def test_a_silent_memory_store_is_an_outage_until_it_speaks() -> None:
    store = MemoryBlobStore()
    held = put(store, b"held")
    store.silent = True
    assert_out(store, held, b"fresh")
    store.silent = False
    assert store.get(held) == b"held"


def test_a_frozen_server_is_an_outage_until_it_thaws(seaweed: Seaweed) -> None:
    held = put(_s3(seaweed, "frozen").store, b"held")
    place = _s3(seaweed, "frozen", timeout_seconds=_SHORT_SECONDS)
    eventually(lambda: assert_works(place.store, held), (Transient,))
    seaweed.freeze()
    try:
        assert_out(place.store, held, b"not yet put")
        # Without a connection from before: the kernel accepts, and nobody answers.
        other = _s3(seaweed, "frozen", timeout_seconds=_SHORT_SECONDS)
        assert_out(other.store, held, b"not yet put")
    finally:
        seaweed.thaw()
    eventually(lambda: assert_works(place.store, held), (Transient,))


def test_a_stopped_server_is_an_outage_until_it_is_back(seaweed: Seaweed) -> None:
    held = put(_s3(seaweed, "stopped").store, b"held")
    place = _s3(seaweed, "stopped", timeout_seconds=_SHORT_SECONDS)
    eventually(lambda: assert_works(place.store, held), (Transient,))
    seaweed.kill()
    try:
        assert_out(place.store, held, b"not yet put")
    finally:
        seaweed.start()

        def is_back() -> None:
            seaweed.assert_runs()
            assert_works(place.store, held)

        # A server that is coming up is out as well, and nothing worse: no blob is given up.
        eventually(is_back, (Transient,))


def assert_works(store: BlobStore, held: BlobReference) -> None:
    assert store.get(held) == b"held"
    assert store.get(put(store, b"fresh")) == b"fresh"


def test_a_missing_bucket_is_fatal_and_named(seaweed: Seaweed) -> None:
    # An administrator's put makes the bucket, on this server: only `get` is asked.
    store = open_blob_store(seaweed.settings("admin", url="s3://no-such-bucket/prefix"))
    with pytest.raises(Fatal, match="has no bucket no-such-bucket"):
        store.get(blob_reference(b"grain", DAY))


@pytest.mark.parametrize(
    "wrong",
    [
        {"s3_secret_key": SecretStr("wrong")},
        {"s3_access_key": "nobody"},
        {"url": "s3://bucket-of-others"},
    ],
)
def test_a_denied_access_is_fatal_and_shows_no_secret(
    seaweed: Seaweed, wrong: dict[str, Any]
) -> None:
    store = open_blob_store(seaweed.settings(**wrong))
    for call in (lambda: store.get(blob_reference(b"grain", DAY)), lambda: put(store, b"grain")):
        with pytest.raises(Fatal, match="denies access to the bucket") as caught:
            call()
        assert "secret of" not in str(caught.value)


def test_a_key_without_the_right_to_write_is_fatal(seaweed: Seaweed) -> None:
    held = put(open_blob_store(seaweed.settings()), b"held")
    reader = open_blob_store(seaweed.settings("reader"))
    assert reader.get(held) == b"held"
    with pytest.raises(Fatal, match="denies access to the bucket"):
        put(reader, b"not held")


def test_a_truncated_object_is_put_anew(seaweed: Seaweed) -> None:
    place = _s3(seaweed, "anew")
    reference = put(place.store, b"grain")
    place.overwrite(reference.key, b"gra")
    assert place.store.get(put(place.store, b"grain")) == b"grain"


class _Answers(http.server.BaseHTTPRequestHandler):
    """Answers by method: a status and a code, or for GET the bytes of a blob that is 100 long."""

    protocol_version = "HTTP/1.1"
    by_method: dict[str, tuple[int, str]]
    body: bytes

    def log_message(self, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, code = self.by_method.get(self.command, (200, ""))
        error = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
        body = error.encode() if code else b""
        length = len(body)
        if self.command == "GET" and not code:
            status, body, length = 206, self.body, 100
        if self.command == "HEAD":
            body, length = b"", 0 if code else 100
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = len(body) != length

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815


@pytest.fixture
def answering() -> Iterator[Callable[..., S3BlobStore]]:
    """Return a maker of stores whose server answers as told."""
    servers: list[http.server.HTTPServer] = []

    def make(body: bytes = b"", **by_method: tuple[int, str]) -> S3BlobStore:
        handler = type("Told", (_Answers,), {"body": body, "by_method": by_method})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        settings = BlobSettings(
            s3_endpoint=f"http://127.0.0.1:{server.server_port}",
            s3_access_key="key",
            s3_secret_key=SecretStr("secret"),
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return S3BlobStore(bucket="bucket", prefix="", settings=settings)

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


HUNDRED = b"h" * 100

Answering = Callable[..., S3BlobStore]


@pytest.mark.parametrize(
    "answer",
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, "Unheard"),
        (507, "InsufficientStorage"),
        (429, "TooManyRequests"),
        (408, "Unheard"),
    ],
)
def test_a_server_in_trouble_is_an_outage(answering: Answering, answer: tuple[int, str]) -> None:
    reference = blob_reference(HUNDRED, DAY)
    with pytest.raises(Transient):
        answering(HEAD=answer).get(reference)
    with pytest.raises(Transient):
        answering(GET=answer).get(reference)
    with pytest.raises(Transient):
        put(answering(HEAD=(404, "NoSuchKey"), PUT=answer), HUNDRED)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, "Unheard"), "refuses"),
        ((301, "PermanentRedirect"), "refuses"),
        ((403, "AccessDenied"), "denies access"),
        ((403, "InvalidAccessKeyId"), "denies access"),
        ((404, "NoSuchBucket"), "has no bucket"),
    ],
)
def test_a_server_that_refuses_is_fatal(
    answering: Answering, answer: tuple[int, str], words: str
) -> None:
    with pytest.raises(Fatal, match=words):
        answering(HEAD=answer).get(blob_reference(HUNDRED, DAY))
    with pytest.raises(Fatal, match=words):
        put(answering(HEAD=(404, "NoSuchKey"), PUT=answer), HUNDRED)


def test_an_answer_cut_short_is_an_outage(answering: Answering) -> None:
    with pytest.raises(Transient):
        answering(b"h" * 10).get(blob_reference(HUNDRED, DAY))


def test_other_bytes_of_the_right_number_are_unreadable(answering: Answering) -> None:
    assert_unreadable(answering(b"H" * 100), blob_reference(HUNDRED, DAY))
    assert answering(HUNDRED).get(blob_reference(HUNDRED, DAY)) == HUNDRED


def test_a_blob_removed_while_it_is_read_is_asked_for_again(answering: Answering) -> None:
    with pytest.raises(Transient):
        answering(GET=(404, "NoSuchKey")).get(blob_reference(HUNDRED, DAY))
