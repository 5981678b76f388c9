"""Deduplicate the pack with gristmill: signatures, verified claims, a durable index on disk.

Texts are views on Arrow's buffer: no byte is copied before `sign` joins its batch.
"""

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from packed import Report, arguments, batches

from gristmill.dedup.fingerprint import Signatures, sign
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.model import Kind, Position
from gristmill.runtime.ports import Duplicate, Fingerprint
from gristmill.runtime.ports.index import (
    BANDS,
    DEFAULT_THRESHOLD,
    PERMUTATIONS,
    ROWS,
    SIGNATURE_BYTES,
)

_COLUMNS = ["id", "kind", "domain", "content_sha256", "offset", "content"]


def main() -> None:
    """Sign and admit, a batch a transaction; a line names a removed document and its match."""
    report = Report()
    path, out, most = arguments()
    table = Table(uuid="benchmark", positions={}, num_documents=0)
    index = LmdbIndex(os.path.join(os.path.dirname(out), "index"), table)
    report.lap("open the index")
    removed: list[str] = []
    documents = 0
    for batch in batches(path, _COLUMNS, most):
        report.lap("read")
        texts = _views(batch["content"])
        report.lap("texts")
        signatures = sign(texts)
        report.lap("sign")
        fingerprints = _fingerprints(batch, signatures)
        report.lap("fingerprints")
        admissions = index.admit(fingerprints)
        report.lap("admit")
        for one, admission in zip(fingerprints, admissions, strict=True):
            if isinstance(admission, Duplicate):
                removed.append(f"{one.document_id}\t{admission.of}")
        documents += len(fingerprints)
        report.lap("verdicts")
    index.close()
    setting = (
        f"{PERMUTATIONS} permutations, {BANDS} x {ROWS}, verified at {DEFAULT_THRESHOLD}, "
        "every batch durable, within language families"
    )
    report.finish(out, removed, documents=documents, setting=setting)


def _views(column: Any) -> Sequence[bytes]:  # noqa: ANN401  # pyarrow has no types
    """Return the values of a binary array as views on its buffer."""
    _, offsets, values = column.buffers()
    ends = np.frombuffer(offsets, np.int32)[column.offset :][: len(column) + 1].tolist()
    whole = memoryview(values)
    # `sign` joins what it is given, and what can be joined need not be bytes.
    return cast(Sequence[bytes], [whole[i:j] for i, j in pairwise(ends)])


def _fingerprints(batch: dict[str, Any], signatures: Signatures) -> list[Fingerprint]:
    rows = signatures.rows.tobytes()
    kinds = {kind.value: kind for kind in Kind}
    columns = [batch[name].to_pylist() for name in _COLUMNS[:-1]]
    return [
        Fingerprint(
            document_id=identity,
            kind=kinds[kind],
            content_sha256=digest,
            position=Position(source="pack", offset=offset),
            domain=domain,
            signature=rows[at : at + SIGNATURE_BYTES] if num_shingles else b"",
            num_shingles=num_shingles,
        )
        for at, num_shingles, identity, kind, domain, digest, offset in zip(
            range(0, len(rows), SIGNATURE_BYTES),
            signatures.num_shingles.tolist(),
            *columns,
            strict=True,
        )
    ]


if __name__ == "__main__":
    main()
