"""Sources on real servers: S3 that is killed, and a web server with every bad habit there is."""

import io
import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import SecretStr
from seaweed import BUCKET, Seaweed

from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import ListedSource, Selection, Terms
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.adapters.sources import open_sources, reopen_source
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.model import BadInput, Fatal, Reason, Transient

GRISTMILL = [sys.executable, "-P", "-m", "gristmill.cli.main"]
# Made with `openssl req -x509 -newkey ec -nodes`, for 127.0.0.1 and nothing else.
CERTIFICATE = str(Path(__file__).with_name("tls") / "server-of-tests.pem")
LIMITS = ArchiveLimits(
    max_member_bytes=1000, max_ratio=50, free_bytes=64 << 20, free_members=20_000
)
FILES = {f"d{n % 3}/m{n:02}.py": b"x = %d\n" % n for n in range(20)}


def terms(columns: Columns | None = None, **selection: Any) -> Terms:
    return Terms(selection=Selection(**selection), limits=LIMITS, rules=("r1",), columns=columns)


def tar_of_files(mode: Any = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for path, content in FILES.items():
            about = tarfile.TarInfo(path)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def zip_of_files() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in FILES.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def parquet_of_files() -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"text": list(FILES.values()), "name": list(FILES)})
    parquet.write_table(table, buffer, row_group_size=7)
    return buffer.getvalue()


FORMS: dict[str, Callable[[], bytes]] = {
    "all.tar.gz": tar_of_files, "all.zip": zip_of_files, "all.parquet": parquet_of_files,
}  # fmt: skip
COLUMNS = Columns(content="text", path="name")


def contents(source: ListedSource) -> dict[str, bytes | None]:
    return {entry.origin.path: entry.content for entry in source.entries(0)}


def assert_same_again(source: ListedSource, settings: SourceSettings) -> None:
    """Assert that a listing leads back to the same documents, from any of them on."""
    again = reopen_source(list(source.lines()), lambda: settings)
    assert again.listing.source == source.listing.source
    entries = list(source.entries(0))
    assert again.is_unchanged(0)
    for start in (0, 3, 11):
        offset = entries[min(start, len(entries) - 1)].position.offset
        tail = [e.content for e in entries if e.position.offset >= offset]
        assert [e.content for e in again.entries(offset)] == tail


# --- a web server ---------------------------------------------------------------------------------


@dataclass
class Habits:
    """What the web server holds and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    modified: str = "Thu, 26 Nov 2026 00:00:00 GMT"
    ranges: bool = True
    length: bool = True
    outages: int = 0
    cut: int = 0  # answers that break off in their middle
    status: int = 0
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    habits: Habits

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        habits, path = self.habits, self.path.partition("?")[0]
        habits.asked.append((self.path, self.headers.get("Range", "")))
        if path in habits.redirects:
            return self._answer(302, b"", Location=habits.redirects[path])
        if habits.status:
            return self._answer(habits.status, b"no")
        if habits.outages:
            habits.outages -= 1
            return self._answer(503, b"later")
        content = habits.files.get(path)
        if content is None:
            return self._answer(404, b"none")
        if self.headers.get("If-Match", habits.etag) != habits.etag:
            return self._answer(412, b"changed")
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        about = {"Last-Modified": habits.modified}
        if habits.etag:
            about["ETag"] = habits.etag
        if match and habits.ranges:
            begin, end = int(match[1]), min(int(match[2]) + 1, len(content))
            if begin >= len(content):
                return self._answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
            about["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
            return self._answer(206, content[begin:end], **about)
        return self._answer(200, content, **about)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.habits.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.habits.cut and len(body) > 1:
            self.habits.cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.close_connection = True


def serving(*, tls: bool) -> Iterator[tuple[str, Habits]]:
    habits = Habits()
    handler = type("One", (Handler,), {"habits": habits})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", habits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web() -> Iterator[tuple[str, Habits]]:
    yield from serving(tls=False)


@pytest.fixture
def web_tls() -> Iterator[tuple[str, Habits]]:
    yield from serving(tls=True)


QUICK = SourceSettings(timeout_seconds=5, attempts=3)


def source_at(url: str, columns: Columns | None = None) -> ListedSource:
    (source,) = open_sources([url], terms(columns), git_head=False, settings=QUICK)
    return source


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("length", [True, False])
def test_archives_and_tables_of_a_web_server(
    web: tuple[str, Habits], form: str, ranges: bool, length: bool
) -> None:
    base, habits = web
    habits.ranges, habits.length = ranges, length
    habits.files[f"/d/{form}"] = FORMS[form]()
    source = source_at(f"{base}/d/{form}?part=1", COLUMNS if form.endswith("parquet") else None)
    assert contents(source) == FILES
    assert_same_again(source, QUICK)
    assert next(source.entries(0)).origin.repository == form


def test_a_plain_file_an_empty_one_and_one_that_is_too_large(web: tuple[str, Habits]) -> None:
    base, habits = web
    habits.files |= {"/a.py": b"a = 1\n", "/empty.py": b"", "/large.py": b"x" * 1001}
    for ranges in (True, False):
        for length in (True, False):
            habits.ranges, habits.length = ranges, length
            entries = [next(source_at(f"{base}{p}").entries(0)) for p in habits.files]
            assert [entry.content for entry in entries] == [b"a = 1\n", b"", None]
            assert entries[2].fault is Reason.TOO_LARGE


def test_outages_and_broken_answers_are_asked_again_and_then_one_clear_error(
    web: tuple[str, Habits],
) -> None:
    base, habits = web
    habits.files["/all.tar.gz"] = tar_of_files()
    habits.outages = 2
    source = source_at(f"{base}/all.tar.gz")
    habits.cut = 2
    assert contents(source) == FILES
    habits.ranges = False
    habits.cut = 2
    assert contents(source_at(f"{base}/all.tar.gz")) == FILES
    habits.outages = 100
    with pytest.raises(Transient, match=r"HTTP status 503.*asked 3 times"):
        contents(source)
    with pytest.raises(Transient, match="does not answer"):
        source_at("http://127.0.0.1:9/all.tar.gz")


def test_what_is_refused_is_asked_once(web: tuple[str, Habits]) -> None:
    base, habits = web
    for status, said in ((403, "denies access"), (401, "denies access"), (400, "refuses")):
        habits.status = status
        habits.asked.clear()
        with pytest.raises(Fatal, match=said):
            source_at(f"{base}/a.tar?token=secret")
        assert len(habits.asked) == 1
    habits.status = 0
    with pytest.raises(BadInput, match="there is nothing at") as raised:
        source_at(f"{base}/a.tar?token=secret")
    assert "secret" not in str(raised.value)


def test_redirects_are_followed_a_few_times_and_never_away_from_https(
    web: tuple[str, Habits], web_tls: tuple[str, Habits], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, habits = web
    habits.files["/real.tar.gz"] = tar_of_files()
    habits.redirects = {"/a.tar.gz": "/b", "/b": f"{base}/real.tar.gz", "/loop.tar": "/loop.tar"}
    assert contents(source_at(f"{base}/a.tar.gz")) == FILES
    with pytest.raises(Fatal, match="redirects without end"):
        source_at(f"{base}/loop.tar")
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    base_tls, habits_tls = web_tls
    habits_tls.redirects = {"/a.tar.gz": f"{base}/real.tar.gz", "/f.tar": "file:///etc/passwd"}
    for path in habits_tls.redirects:
        with pytest.raises(Fatal, match="leads away from https"):
            source_at(f"{base_tls}{path}")
    habits.redirects["/c.tar.gz"] = f"{base_tls}/a.tar.gz"  # http, https, http
    with pytest.raises(Fatal, match="leads away from https"):
        source_at(f"{base}/c.tar.gz")


def test_a_file_that_changes_after_it_was_listed_is_unreadable(web: tuple[str, Habits]) -> None:
    base, habits = web
    habits.files |= {"/all.tar.gz": tar_of_files(), "/a.py": b"a = 1\n"}
    sources = [source_at(f"{base}{path}") for path in habits.files]
    habits.etag = '"two"'
    for source in sources:
        assert not source.is_unchanged(0)
        (entry,) = source.entries(0)
        assert (entry.fault, entry.detail) == (Reason.UNREADABLE, "it changed since it was listed")
    assert source_at(f"{base}/a.py").listing.source != sources[1].listing.source


@pytest.mark.parametrize("etag", ["", 'W/"one"'])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("change", ["size", "time and tag"])
def test_a_change_is_seen_without_a_strong_tag(
    web: tuple[str, Habits], etag: str, ranges: bool, change: str
) -> None:
    base, habits = web
    habits.etag, habits.ranges = etag, ranges
    habits.files |= {"/all.tar.gz": tar_of_files(), "/a.py": b"a = 1\n"}
    sources = [source_at(f"{base}{path}") for path in habits.files]
    assert len(contents(sources[0])) == len(FILES)
    assert contents(sources[1]) == {"a.py": b"a = 1\n"}
    if change == "size":
        habits.files |= {"/all.tar.gz": tar_of_files("w"), "/a.py": b"a = 12\n"}
    else:
        habits.etag = etag.replace("one", "two")
        habits.modified = "Thu, 26 Nov 2026 00:00:01 GMT"
    for source in sources:
        (entry,) = source.entries(0)
        assert (entry.fault, entry.detail) == (Reason.UNREADABLE, "it changed since it was listed")


def test_https_needs_a_certificate_that_is_trusted(
    web_tls: tuple[str, Habits], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, habits = web_tls
    habits.files["/all.tar.gz"] = tar_of_files()
    with pytest.raises(Fatal, match="certificate is not trusted"):
        source_at(f"{base}/all.tar.gz")
    assert habits.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    assert contents(source_at(f"{base}/all.tar.gz")) == FILES


# --- S3 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(str(tmp_path_factory.mktemp("seaweed")))
    try:
        server.start()
        server.wait_until_ready()
        for form, make in FORMS.items():
            put(server, f"forms/{form}", make())
        for path, content in FILES.items():
            put(server, f"files/kettle/{path}", content)
        yield server
    finally:
        server.kill()


def put(seaweed: Seaweed, key: str, content: bytes) -> None:
    with seaweed.files().open_output_stream(f"{BUCKET}/{key}", compression=None) as stream:
        stream.write(content)


def settings_of(seaweed: Seaweed, who: str = "reader", **given: Any) -> SourceSettings:
    blobs = seaweed.settings(who)
    usual: dict[str, Any] = {
        "s3_endpoint": blobs.s3_endpoint,
        "s3_access_key": blobs.s3_access_key,
        "s3_secret_key": blobs.s3_secret_key,
        "timeout_seconds": 2,
        "attempts": 2,
    }
    return SourceSettings(**{**usual, **given})


@pytest.mark.parametrize("form", FORMS)
def test_archives_and_tables_of_s3(seaweed: Seaweed, form: str) -> None:
    settings = settings_of(seaweed)
    columns = COLUMNS if form.endswith("parquet") else None
    url = f"s3://{BUCKET}/forms/{form}"
    (source,) = open_sources([url], terms(columns), git_head=False, settings=settings)
    assert contents(source) == FILES
    assert_same_again(source, settings)


@pytest.mark.parametrize(
    ("url", "prefix"), [("files/kettle", ""), ("files/kettle/", ""), ("files/*/d?", "kettle/")]
)
def test_objects_of_s3_by_prefix_and_glob(seaweed: Seaweed, url: str, prefix: str) -> None:
    settings = settings_of(seaweed)
    (source,) = open_sources([f"s3://{BUCKET}/{url}"], terms(), git_head=False, settings=settings)
    assert contents(source) == {f"{prefix}{path}": content for path, content in FILES.items()}
    assert list(contents(source)) == sorted(contents(source))
    assert_same_again(source, settings)


def test_an_object_of_s3_that_is_replaced_after_it_was_listed_is_unreadable(
    seaweed: Seaweed,
) -> None:
    put(seaweed, "replaced/a.py", b"a = 1\n")
    put(seaweed, "replaced/all.zip", zip_of_files())
    url, settings = f"s3://{BUCKET}/replaced", settings_of(seaweed)
    (source,) = open_sources([url], terms(), git_head=False, settings=settings)
    assert len(contents(source)) == 1 + len(FILES)
    time.sleep(1.1)  # S3 tells times by the second
    put(seaweed, "replaced/a.py", b"a = 2\n")
    put(seaweed, "replaced/all.zip", zip_of_files())
    assert [(entry.fault, entry.detail) for entry in source.entries(0)] == [
        (Reason.UNREADABLE, "it changed since it was listed")
    ] * 2


def test_the_usual_variables_of_aws_are_enough(
    seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = seaweed.settings("reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL", blobs.s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", blobs.s3_access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", blobs.s3_secret_key.get_secret_value())
    (source,) = open_sources([f"s3://{BUCKET}/files/kettle"], terms(), git_head=False)
    assert len(contents(source)) == len(FILES)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (f"s3://{BUCKET}/none", BadInput, "there is nothing at"),
        (f"s3://{BUCKET}/none*", BadInput, "nothing matches"),
        ("s3://no-such-bucket/x", Fatal, "denies access to the bucket no-such-bucket"),
    ],
)
def test_nothing_there_is_one_clear_error(
    seaweed: Seaweed, url: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        open_sources([url], terms(), git_head=False, settings=settings_of(seaweed))


def test_a_wrong_key_is_one_clear_error(seaweed: Seaweed) -> None:
    settings = settings_of(seaweed, s3_secret_key=SecretStr("wrong"))
    with pytest.raises(Fatal, match="denies access") as raised:
        open_sources([f"s3://{BUCKET}/files"], terms(), git_head=False, settings=settings)
    assert "wrong" not in str(raised.value)


def test_a_server_that_dies_in_the_middle_ends_the_run_in_one_line_and_it_goes_on_later(
    tmp_path: Path, seaweed: Seaweed
) -> None:
    blobs = seaweed.settings("reader")
    environment = {
        **os.environ,
        "GRISTMILL_SOURCES_S3_ENDPOINT": blobs.s3_endpoint,
        "GRISTMILL_SOURCES_S3_ACCESS_KEY": blobs.s3_access_key,
        "GRISTMILL_SOURCES_S3_SECRET_KEY": blobs.s3_secret_key.get_secret_value(),
        "GRISTMILL_SOURCES_TIMEOUT_SECONDS": "1",
        "GRISTMILL_SOURCES_ATTEMPTS": "2",
    }
    url, out = f"s3://{BUCKET}/files/kettle", tmp_path / "out"

    def run() -> "subprocess.CompletedProcess[str]":
        command = [*GRISTMILL, "run", url, "--out", str(out), "--json"]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    seaweed.freeze()
    try:
        silent = run()
    finally:
        seaweed.thaw()
    assert silent.returncode == 1
    assert "Traceback" not in silent.stderr
    (said,) = [line for line in silent.stderr.splitlines() if line.startswith("gristmill: ")]
    assert "does not answer" in said
    assert "run the same command again" in said.lower()
    finished = run()
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["documents"] == len(FILES)
    command = [*GRISTMILL, "why", str(out), "--path", "d0/m00.py", "--json"]
    why = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(why.stdout)["documents"][0]["repository"] == "kettle"
