"""A whole run over hostile repositories and tables ends well, and counts everything."""

import gzip
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from gristmill.runtime.testing.git import FILE, FOLDER, LINK, SUBMODULE, GitRepository, PackEntry

GRISTMILL = [sys.executable, "-P", "-m", "gristmill.cli.main"]
MIB = 1 << 20


def hostile_repository(path: Path) -> str:
    """A bare repository with good files among what a stranger may have put there."""
    repository = GitRepository(str(path / "trap.git"))
    good = repository.blob(b"good = 1\n")
    bomb = repository.tree([(b"f.py", FILE, good)])
    for _ in range(10):
        bomb = repository.tree([(b"%d" % n, FOLDER, bomb) for n in range(10)])
    deep = repository.tree([(b"f.py", FILE, good)])
    for _ in range(30):
        deep = repository.tree([(b"d" * 100, FOLDER, deep)])
    lying, enormous = b"3" * 40, b"4" * 40
    repository.pack(
        [
            PackEntry(id=b"5" * 40, type=3, data=b"x" * 100_000),
            PackEntry(id=lying, type=6, data=b"\xa0\x8d\x06\xff\xff\xff\x7f\x90\xff", base=0),
            PackEntry(id=enormous, type=3, data=b"x", size=1 << 45),
        ]
    )
    repository.commit(
        repository.tree(
            [
                (b"../up.py", FILE, good),
                (b".git", FOLDER, repository.tree([(b"config", FILE, good)])),
                (b"a.py", FILE, repository.blob(b"a = 1\n")),
                (b"absent.py", FILE, b"6" * 40),
                (b"deep", FOLDER, deep),
                (b"enormous.py", FILE, enormous),
                (b"link.py", LINK, repository.blob(b"/etc/passwd")),
                (b"lying.py", FILE, lying),
                (b"module", SUBMODULE, b"7" * 40),
                (b"z-bomb", FOLDER, bomb),
            ]
        )
    )
    witness = path / "witness"
    for name in ("config", "hooks/post-checkout", "info/attributes"):
        file = Path(repository.directory, name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\n[core]\n\tfsmonitor = "touch {witness}"\ntouch {witness}\n')
        file.chmod(0o755)
    return repository.directory


def hostile_tables(path: Path) -> str:
    """A folder of tables with one good row each, among rows and pages that lie."""
    root = path / "tables"
    root.mkdir()
    lines = [
        b'{"c": "j = 1\\n", "p": "j.py"}', b"{", b'{"c": NaN}', b'{"c": "\\ud800"}', b"[" * 99_999,
        b'{"c": "' + b"x" * (8 * MIB) + b'"}', b'{"p": "../up.py", "c": "x"}',
    ]  # fmt: skip
    (root / "a.jsonl").write_bytes(b"\n".join(lines))
    (root / "b.jsonl.gz").write_bytes(gzip.compress(b"\n" * (200 * MIB), 9, mtime=0))
    (root / "c.jsonl.zst").write_bytes(zstandard.compress(b"{}\n" * (20 * MIB)))
    (root / "d.jsonl.gz").write_bytes(gzip.compress(lines[0] * 999, mtime=0)[:-9])
    table = pa.table({"c": pa.array(["q = 1\n", None, "x" * MIB * 2]), "p": ["q.py", "n.py", "l"]})
    parquet.write_table(table, root / "e.parquet", compression="zstd")
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["y" * MIB])
    names = pa.array([f"m{n}.py" for n in range(100_000)])
    parquet.write_table(pa.table({"c": shared, "p": names}), root / "f.parquet", compression="zstd")
    nulls = pa.table({"c": pa.nulls(3_000_000, pa.string()), "p": pa.nulls(3_000_000, pa.string())})
    parquet.write_table(nulls, root / "g.parquet")
    parquet.write_table(pa.table({"c": [{"a": 1}], "p": [[1]]}), root / "h.parquet")
    (root / "i.parquet").write_bytes(b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1")
    return str(root)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str, int]:
    """A run over all of it: where, what it told, what it said, and its peak of memory."""
    base = tmp_path_factory.mktemp("hostile")
    sources = [hostile_repository(base), hostile_tables(base)]
    options = ["--map", "content=c,path=p", "--out", str(base / "out"), "--json", "--workers", "2"]
    with open(base / "told", "wb") as told, open(base / "said", "wb") as said:
        process = subprocess.Popen(
            [*GRISTMILL, "run", *sources, *options],
            stdout=told,
            stderr=said,
            env={**os.environ, "GRISTMILL_INGESTION_ARCHIVE_FREE_MEMBERS": "1500"},
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_of(process.pid))
            time.sleep(0.02)
    text = (base / "said").read_text()
    assert process.returncode == 0, text
    assert peak > 0
    return base, json.loads((base / "told").read_text()), text, peak


def peak_of(pid: int) -> int:
    """Return the most memory in bytes that a process has held so far, 0 when it has ended.

    What wait4 tells of a child counts the memory of who started it, too.
    """
    with suppress(OSError), open(f"/proc/{pid}/status") as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def reasons(base: Path, repository: str) -> dict[str, str]:
    command = [*GRISTMILL, "why", str(base / "out"), "--repository", repository, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        one["path"]: one["reason"] or one["status"]
        for one in json.loads(answer.stdout)["documents"]
    }


def test_the_run_counts_everything_and_nothing_was_executed(
    ran: tuple[Path, dict[str, Any], str, int],
) -> None:
    base, told, said, peak = ran
    assert "Traceback" not in said
    assert told["documents"] == told["kept"] + sum(told["dropped"].values()) + told["dead"]
    assert told["dead"] == 0
    assert peak < 1024 * MIB
    assert not (base / "witness").exists()
    assert "(a partial clone, or damaged): 1 blob\n" in said
    assert told["absent_blobs"] == 1


def test_every_entry_of_the_repository_has_its_reason(
    ran: tuple[Path, dict[str, Any], str, int],
) -> None:
    found = reasons(ran[0], "trap")
    assert len(found) > 500  # the bomb lists some of its files before it is ended
    named = {path: reason for path, reason in found.items() if not path.startswith("z-bomb/")}
    deep = "/".join(["deep", *["d" * 100] * 30, "f.py"])
    assert named.pop(deep) in {"kept", "exact_duplicate"}
    assert named == {
        ".": "archive_limit",
        "../up.py": "unsafe_member",
        ".git/config": "vendored",
        "a.py": "kept",
        "absent.py": "unreadable",
        "enormous.py": "too_large",
        "link.py": "not_a_file",
        "lying.py": "too_large",
        "module": "not_a_file",
    }


def test_every_row_of_the_tables_has_its_reason(
    ran: tuple[Path, dict[str, Any], str, int],
) -> None:
    base = ran[0]
    assert reasons(base, "a.jsonl") == {
        "j.py": "kept",
        "row 2": "unreadable",
        "row 3": "unreadable",
        "row 4": "undecodable",
        "row 5": "unreadable",
        "row 6": "too_large",
        "../up.py": "unsafe_member",
    }
    assert reasons(base, "e.parquet") == {"q.py": "kept", "n.py": "unreadable", "l": "too_large"}
    assert set(reasons(base, "h.parquet").values()) == {"unreadable"}
    shared = reasons(base, "f.parquet")
    assert len(shared) < 200
    whole = reasons(base, "tables")
    assert whole.pop("f.parquet") == "archive_limit"
    assert whole.pop("g.parquet") == "archive_limit"
    assert whole.pop("c.jsonl.zst") == "archive_limit"
    assert whole.pop("b.jsonl.gz") in {"empty", "archive_limit"}
    assert whole == {"d.jsonl.gz": "unreadable", "i.parquet": "unreadable"}
