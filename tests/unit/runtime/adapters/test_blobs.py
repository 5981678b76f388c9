"""Blob stores: references, URLs, settings, and what only files know; the contract is elsewhere."""

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gristmill.runtime.adapters.blobs import (
    BlobSettings,
    FileBlobStore,
    MemoryBlobStore,
    blob_reference,
    open_blob_store,
)
from gristmill.runtime.adapters.settings import Settings, load_settings
from gristmill.runtime.model import (
    BadInput,
    BlobReference,
    Fatal,
    NoStore,
    Poison,
    Reason,
    Transient,
)

DAY = date(2026, 11, 26)


def put(store: FileBlobStore, data: bytes = b"grain") -> BlobReference:
    reference = blob_reference(data, DAY)
    store.put(reference, data)
    return reference


def test_a_reference_is_made_of_the_bytes_and_the_day() -> None:
    reference = blob_reference(b"", DAY)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert reference == BlobReference(key=f"blobs/2026-11-26/{empty}", sha256=empty, size_bytes=0)
    assert blob_reference(b"", datetime(2026, 11, 26, 23, 59, tzinfo=UTC)) == reference
    assert blob_reference(b"grain", date(987, 1, 2)).key.startswith("blobs/0987-01-02/")
    assert blob_reference(b"grain", DAY).size_bytes == 5


def test_a_url_names_memory_or_files(tmp_path: Path) -> None:
    assert isinstance(open_blob_store(BlobSettings(url="memory:")), MemoryBlobStore)
    odd = tmp_path / "a b%"
    for url in (str(odd), f"file://{tmp_path}/a%20b%25"):
        store = open_blob_store(BlobSettings(url=url))
        reference = blob_reference(url.encode(), DAY)
        store.put(reference, url.encode())
        assert (odd / reference.key).read_bytes() == url.encode()


def test_nothing_is_made_until_a_blob_is_put(tmp_path: Path) -> None:
    open_blob_store(BlobSettings(url=str(tmp_path / "store")))
    assert list(tmp_path.iterdir()) == []


def test_a_relative_directory_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileBlobStore("store")
    monkeypatch.chdir("/")
    assert (tmp_path / "store" / put(store).key).is_file()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "needs a directory"),
        ("a\0b", "needs a directory"),
        ("file:///", ""),
        ("file:relative", "is like file:///directory"),
        ("file://host/directory", "is like file:///directory"),
        ("file:///directory?x=1", "is like file:///directory"),
        ("file:///directory%00", "needs a directory"),
        ("s3:bucket", "is like s3://bucket/prefix"),
        ("s3://", "is like s3://bucket/prefix"),
        ("s3:///prefix", "is like s3://bucket/prefix"),
        ("s3://Bucket", "is like s3://bucket/prefix"),
        ("s3://bucket:80/prefix", "is like s3://bucket/prefix"),
        ("s3://bucket/a/../b", "is like s3://bucket/prefix"),
        ("s3://bucket/a//b", "is like s3://bucket/prefix"),
        ("s3://bucket/a b", "is like s3://bucket/prefix"),
        ("s3://bucket/prefix?region=x", "is like s3://bucket/prefix"),
        ("s3://key:hush@bucket/prefix", "settings of their own"),
        ("s3://[bucket", "cannot be read"),
        ("gs://bucket", "no blob store for gs: URLs"),
        ("https://key:hush@host/bucket", "no blob store for https: URLs"),
        ("memory://", "no blob store for memory: URLs"),
    ],
)
def test_any_other_url_is_bad_input_that_repeats_no_secret(url: str, words: str) -> None:
    if not words:  # the root itself is a directory like any other
        assert isinstance(open_blob_store(BlobSettings(url=url)), FileBlobStore)
        return
    with pytest.raises(BadInput, match=words) as caught:
        open_blob_store(BlobSettings(url=url))
    assert "hush" not in str(caught.value)


def test_a_store_in_files_does_not_load_the_client_of_s3(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from gristmill.runtime.adapters.blobs import BlobSettings, open_blob_store\n"
        "open_blob_store(BlobSettings(url=sys.argv[1]))\n"
        "assert 'pyarrow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


def load(**environment: str) -> Settings:
    prefixed = {f"GRISTMILL_BLOBS_{name}".upper(): value for name, value in environment.items()}
    return load_settings({"blobs": BlobSettings}, None, prefixed)


def test_the_settings_come_from_the_environment_and_mask_the_secret() -> None:
    settings = load(
        url="s3://bucket/prefix",
        s3_endpoint="http://127.0.0.1:8333",
        s3_access_key="key",
        s3_secret_key="hush",
        timeout_seconds="2.5",
    )
    blobs: BlobSettings = settings.sections["blobs"]
    assert blobs.s3_secret_key.get_secret_value() == "hush"
    assert blobs.timeout_seconds == 2.5
    assert "hush" not in repr(settings)
    assert "hush" not in "".join(str(one.value) for one in settings.listed)
    assert all(one.explanation for one in settings.listed)


def test_the_defaults_are_a_directory_of_this_place() -> None:
    assert load().sections["blobs"] == BlobSettings(url=".local/blobs")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"timeout_seconds": "0.5"}, "timeout_seconds must be at least 1"),
        ({"timeout_seconds": "nan"}, "timeout_seconds must be at least 1"),
        ({"timeout_seconds": "inf"}, "timeout_seconds must be at least 1"),
        ({"timeout_seconds": "soon"}, "blobs.timeout_seconds"),
        ({"s3_access_key": "key"}, "go together"),
        ({"s3_secret_key": "hush"}, "go together"),
        ({"s3_endpoint": "127.0.0.1:8333"}, "must be like https://host:port"),
        ({"s3_endpoint": "ftp://host"}, "must be like https://host:port"),
        ({"s3_endpoint": "https://host/path"}, "must be like https://host:port"),
        ({"s3_endpoint": "https://key:hush@host"}, "must be like https://host:port"),
        ({"s3_endpoint": "https://host:port"}, "must be like https://host:port"),
        ({"s3_endpoint": "https://"}, "must be like https://host:port"),
        ({"secret": "hush"}, "GRISTMILL_BLOBS_SECRET"),
    ],
)
def test_settings_that_cannot_work_are_bad_input(given: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        load(**given)
    assert "hush" not in str(caught.value)


def test_a_hostile_key_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileBlobStore(str(tmp_path / "store"))
    reference = put(store)
    (tmp_path / "outside").write_bytes(b"grain")
    opened: list[object] = []
    monkeypatch.setattr("os.open", lambda path, *rest, **named: opened.append(path))
    for key in ("../outside", "blobs/../../outside", f"{tmp_path}/outside"):
        with pytest.raises(Poison):
            store.get(replace(reference, key=key))
    assert opened == []


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_not_a_file_is_unreadable_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    store = FileBlobStore(str(tmp_path))
    path = tmp_path / put(store).key
    path.unlink()
    if kind == "link":
        (tmp_path / "outside").write_bytes(b"grain")
        path.symlink_to(tmp_path / "outside")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(Poison) as caught:
        store.get(blob_reference(b"grain", DAY))
    assert caught.value.reason is Reason.UNREADABLE


def test_a_blob_that_was_cut_short_is_put_anew(tmp_path: Path) -> None:
    store = FileBlobStore(str(tmp_path))
    reference = put(store)
    (tmp_path / reference.key).write_bytes(b"gra")
    put(store)
    assert store.get(reference) == b"grain"


def test_a_blob_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = FileBlobStore(str(tmp_path))
    path = tmp_path / put(store).key
    before = path.stat()
    put(store)
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_blob_takes_its_name_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileBlobStore(str(tmp_path))
    path = tmp_path / blob_reference(b"grain", DAY).key
    seen: list[tuple[bool, bytes]] = []
    replaced = os.replace

    def watched(source: str, target: str) -> None:
        seen.append((path.exists(), Path(source).read_bytes()))
        replaced(source, target)

    monkeypatch.setattr("os.replace", watched)
    put(store)
    assert seen == [(False, b"grain")]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, Fatal, "is full"),
        (errno.EDQUOT, Fatal, "is full"),
        (errno.EROFS, Fatal, "refuses: read-only"),
        (errno.EIO, Transient, "does not answer"),
        (errno.ESTALE, Transient, "does not answer"),
    ],
)
def test_a_failing_write_leaves_nothing_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], words: str
) -> None:
    store = FileBlobStore(str(tmp_path))
    put(store, b"another")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", failing(number))
        with pytest.raises(kind, match=words):
            put(store)
    assert len(list((tmp_path / "blobs" / "2026-11-26").iterdir())) == 1
    assert store.get(put(store)) == b"grain"


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EIO, Transient), (errno.ETIMEDOUT, Transient), (errno.EACCES, Fatal)],
)
def test_a_failing_read_is_not_the_blobs_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    store = FileBlobStore(str(tmp_path))
    reference = put(store)
    with monkeypatch.context() as patch:
        patch.setattr("os.open", failing(number))
        with pytest.raises(kind):
            store.get(reference)
    assert store.get(reference) == b"grain"


def test_a_directory_that_holds_no_store_is_fatal_and_told_apart(tmp_path: Path) -> None:
    store = FileBlobStore(str(tmp_path))
    with pytest.raises(NoStore, match="no blob store in"):
        store.get(blob_reference(b"grain", DAY))


def test_a_file_in_the_stores_place_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    store = FileBlobStore(str(tmp_path / "store"))
    with pytest.raises(Fatal, match="refuses: not a directory"):
        put(store)
    with pytest.raises(Fatal, match="refuses: not a directory"):
        store.get(blob_reference(b"grain", DAY))


def test_a_blob_that_grows_while_it_is_read_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileBlobStore(str(tmp_path))
    reference = put(store)
    path = tmp_path / reference.key
    measured = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        status = measured(descriptor)
        if status.st_size == 5:
            path.write_bytes(b"grain" + b"x" * 1_000_000)
        return status

    monkeypatch.setattr("os.fstat", grown)
    with pytest.raises(Poison):
        store.get(reference)


def test_a_killed_writer_leaves_no_half_blob(tmp_path: Path) -> None:
    """Killed amid the writing, it leaves a file of another name, which is no blob's."""
    program = (
        "import os, signal, sys\n"
        "from datetime import date\n"
        "from gristmill.runtime.adapters.blobs import FileBlobStore, blob_reference\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.makedirs(sys.argv[1] + '/blobs/2026-11-26')\n"
        "reference = blob_reference(b'grain', date(2026, 11, 26))\n"
        "FileBlobStore(sys.argv[1]).put(reference, b'grain')\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode
    store = FileBlobStore(str(tmp_path))
    with pytest.raises(Poison, match="not in the blob store"):
        store.get(blob_reference(b"grain", DAY))
    assert store.get(put(store)) == b"grain"


def test_threads_may_share_a_store_from_its_first_blob_on(tmp_path: Path) -> None:
    store = FileBlobStore(str(tmp_path / "a" / "b" / "c"))
    at_once = threading.Barrier(8)
    got: list[bytes] = []

    def work(number: int) -> None:
        at_once.wait()
        data = str(number).encode()
        got.append(store.get(put(store, data)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [str(number).encode() for number in range(8)]
