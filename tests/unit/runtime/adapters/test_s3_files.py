"""Objects of S3 are held against what was said of them before they are read."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from gristmill.runtime.adapters.http_files import ChangedError
from gristmill.runtime.adapters.remote_files import RemoteFiles
from gristmill.runtime.adapters.s3_files import S3Files, explain_s3


def test_an_object_that_was_replaced_is_not_taken_for_the_one_that_was_listed(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    local = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    files = RemoteFiles(S3Files(local), attempts=1, explain=explain_s3)
    listed = files.info("a.py")
    assert files.read(listed, 100) == b"a = 1\n"
    (tmp_path / "a.py").write_text("a = 'another object'\n")
    with pytest.raises(ChangedError, match="it changed since it was listed"):
        files.read(listed, 100)


class Opened(io.BytesIO):
    """What Arrow's client returns for an object, with what the server said of it."""

    def metadata(self) -> Mapping[str, bytes]:
        return {"Content-Length": b"6", "Last-Modified": b"2026-11-26T00:00:01Z"}

    def size(self) -> int:
        return 6


class Client:
    type_name = "s3"

    def open_input_file(self, path: str) -> Opened:
        return Opened(path.encode())


def test_the_time_is_that_of_the_answer_from_which_is_read() -> None:
    seen: list[Any] = []
    assert S3Files(Client()).cat_file("b/x.py", 2, 4, check=seen.append) == b"x."
    (info,) = seen
    assert (info["name"], info["size"]) == ("b/x.py", 6)
    assert info["mtime"].isoformat() == "2026-11-26T00:00:01+00:00"
