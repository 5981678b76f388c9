"""Reading labelled data: JSON lines, packed or not, of files whose content may be bytes."""

import base64
import gzip
import json
import os
from collections.abc import Iterator
from typing import Any

from gristmill.ingestion.decode import decode
from gristmill.runtime.model import BadInput, Reason


def read_records(data: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each record of a directory's *.jsonl and *.jsonl.gz with its file and line."""
    if not os.path.isdir(data):
        raise BadInput(f"{data} is not a directory")
    for name in sorted(os.listdir(data)):
        if name.endswith((".jsonl", ".jsonl.gz")):
            for number, record in enumerate(read_lines(os.path.join(data, name)), 1):
                yield f"{name}:{number}", record


def read_lines(path: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one file."""
    try:
        packed = path.endswith(".gz")
        with gzip.open(path) if packed else open(path, "rb") as lines:
            for line in lines:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise BadInput(f"{path}: a line that is no JSON object")
                yield record
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error


def content_of(place: str, record: dict[str, Any]) -> bytes:
    """Return the content of a record as bytes. Raises BadInput with its place."""
    try:
        written: str = record["content"]
        return base64.b64decode(written) if record.get("encoding") == "base64" else written.encode()
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{place}: {record.get('id')}: not a file: {error}") from error


def text_of(content: bytes) -> str | None:
    """Return the text that a run would make of a content, None where it would make none."""
    decoded = decode(content)
    return None if isinstance(decoded, Reason) else decoded.content
