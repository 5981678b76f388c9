"""The real command line against bad inputs: each is counted with a reason, none does harm.

What could go wrong here is a crash, a hang, a silent loss, or memory and CPU out of proportion; so
every bad input is measured alone as well.
"""

import gzip
import hashlib
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GRISTMILL = (sys.executable, "-m", "gristmill.cli.main")
KIB, MIB = 1 << 10, 1 << 20
GOOD = {f"good/part{number}.py": b"def part():\n    return %d\n" % number for number in range(5)}


# --- bad inputs, by name --------------------------------------------------------------------------


def tar_block(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info.tobuf(tarfile.GNU_FORMAT)


def good_member(text: bytes) -> bytes:
    return tar_block("inside.py", tarfile.REGTYPE, len(text)) + text.ljust(512, b"\0")


TAR_END = bytes(1024)


def zip_of(name: str, content: bytes, copies: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(copies):
            archive.writestr(f"{number}{name}", content)
    return buffer.getvalue()


def zip_bomb(root: Path) -> None:
    (root / "bomb.zip").write_bytes(zip_of(".py", b"x" * MIB, copies=100))


def zip_of_one_stream(root: Path) -> None:
    one = zip_of(".py", b"y" * MIB)
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    directory = one[start:end] * 100_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, len(directory), start, 0)
    (root / "overlap.zip").write_bytes(one[:start] + directory + tail)


def gzip_bomb(root: Path) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [compressor.compress(tar_block("zero.py", tarfile.REGTYPE, 1 << 33))]
    parts += [compressor.compress(bytes(MIB)) for _ in range(200)]
    (root / "bomb.tar.gz").write_bytes(b"".join(parts) + compressor.flush())


def many_members(root: Path) -> None:
    block = tar_block("empty.py", tarfile.REGTYPE)
    (root / "many.tar.gz").write_bytes(gzip.compress(block * 200_000 + TAR_END, 1))


def slow_pax(root: Path) -> None:
    records = b"2 " * 250_000 + b"="
    bad = tar_block("pax", tarfile.XHDTYPE, len(records)) + records.ljust(500_224, b"\0")
    digits = b"%d comment=" % 500_000 + b"1" * 499_984 + b"\n"
    worse = tar_block("pax", tarfile.XHDTYPE, len(digits)) + digits.ljust(500_224, b"\0")
    (root / "pax.tar").write_bytes(bad + good_member(b"x = 1\n") + TAR_END)
    (root / "digits.tar").write_bytes(worse + good_member(b"x = 2\n") + TAR_END)


def unsafe_members(root: Path) -> None:
    blocks = [
        tar_block("../up.py", tarfile.REGTYPE),
        tar_block("/absolute.py", tarfile.REGTYPE),
        tar_block("symlink.py", tarfile.SYMTYPE),
        tar_block("hardlink.py", tarfile.LNKTYPE),
        tar_block("device", tarfile.CHRTYPE),
        tar_block("fifo", tarfile.FIFOTYPE),
    ]
    (root / "unsafe.tar").write_bytes(
        b"".join(blocks) + good_member(b"inside = 'safe'\n") + TAR_END
    )


def broken_archive(root: Path) -> None:
    data = gzip.compress(good_member(b"inside = 'broken'\n") * 50 + TAR_END)
    (root / "broken.tar.gz").write_bytes(data[: len(data) * 3 // 4])


def encrypted_zip(root: Path) -> None:
    data = bytearray(zip_of(".py", b"secret"))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    (root / "secret.zip").write_bytes(bytes(data))


# Calls on lines of their own: bare brackets are data to ingestion, one line is minified, and
# neither would be parsed.
BRACKETS = {
    "deep.py": "f(",
    "deep.js": "g(",
    "deep.c": "int x = f(",
    "deep.rs": "fn f() { f(",
    "deep.json": "[",
}


def nested(name: str) -> Callable[[Path], None]:
    opening = BRACKETS[name]

    def make(root: Path) -> None:
        one = opening[-2:].strip()
        closing = {"(": ")", "[": "]"}[one[-1]] * 200_000
        end = {"deep.c": ";", "deep.rs": "; }"}.get(name, "")
        body = (one + "\n") * 200_000
        (root / name).write_text(opening[: -len(one)] + body + closing + end)

    make.__name__ = name
    return make


def only_opened(root: Path) -> None:
    (root / "opened.py").write_text("f(" * 200_000)


def invalid_utf8(root: Path) -> None:
    text = "# -*- coding: latin-1 -*-\ngrüße = 'schöne Grüße aus Österreich, größer als früher'\n"
    (root / "latin.py").write_bytes(text.encode("latin-1"))
    (root / "noise.py").write_bytes(bytes(0x80 + at * 7 % 0x80 for at in range(100_000)))


def nul_bytes(root: Path) -> None:
    (root / "nul.py").write_bytes(b"x = 1\n\0\n")


def sparse_file(root: Path) -> None:
    with (root / "sparse.py").open("wb") as stream:
        stream.truncate(2 << 30)


def empty_directory(root: Path) -> None:
    (root / "empty").mkdir()


def link_loop(root: Path) -> None:
    (root / "loop").symlink_to(".")
    (root / "self.py").symlink_to("self.py")


def odd_names(root: Path) -> None:
    for name in (b"new\nline.py", b"caf\xe9.py", b"\x1b[2Jclear.py"):
        content = b"odd = '%s'\n" % hashlib.sha256(name).hexdigest().encode()
        Path(os.fsdecode(os.path.join(bytes(root), name))).write_bytes(content)


def pipes_and_sockets(root: Path) -> None:
    os.mkfifo(root / "pipe.py")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(root / "socket.py"))


BAD_INPUTS = [
    zip_bomb, zip_of_one_stream, gzip_bomb, many_members, slow_pax, unsafe_members,
    broken_archive, encrypted_zip, *map(nested, BRACKETS), only_opened, invalid_utf8, nul_bytes,
    sparse_file, empty_directory, link_loop, odd_names, pipes_and_sockets,
]  # fmt: skip


def fill(root: Path) -> Path:
    for name, content in GOOD.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


# --- running the command line ---------------------------------------------------------------------


def gristmill(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [*GRISTMILL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def documents_of(out: Path, repository: str) -> dict[str, list[dict[str, Any]]]:
    """Return what `why` says about a repository, by path."""
    answer = gristmill("why", out, "--repository", repository, "--json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for document in json.loads(answer.stdout)["documents"]:
        found.setdefault(document["path"], []).append(document)
    return found


def assert_conserved(told: dict[str, Any]) -> None:
    assert told["documents"] == told["kept"] + sum(told["dropped"].values()) + told["dead"]


@dataclass
class Hostile:
    """A run over all bad inputs at once."""

    out: Path
    told: dict[str, Any]
    stderr: str

    def reasons(self, repository: str) -> dict[str, str | None]:
        return {
            path: one["reason"] or one["status"]
            for path, (one, *_) in documents_of(self.out, repository).items()
        }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    base = tmp_path_factory.mktemp("hostile")
    root = fill(base / "tree")
    for make in BAD_INPUTS:
        make(root)
    result = gristmill("run", root, "--out", base / "out", "--json", "--workers", 2)
    assert result.returncode == 0, result.stderr
    return Hostile(base / "out", json.loads(result.stdout), result.stderr)


# --- all at once ----------------------------------------------------------------------------------


def test_a_run_over_all_of_them_ends_well_and_counts_every_one(hostile: Hostile) -> None:
    assert "Traceback" not in hostile.stderr
    assert_conserved(hostile.told)
    assert hostile.told["dead"] == 0


def test_every_plain_bad_input_has_its_reason_and_every_good_neighbour_is_kept(
    hostile: Hostile,
) -> None:
    reasons = hostile.reasons("tree")
    for name in GOOD:
        assert reasons.pop(name) == "kept"
    for name in (*BRACKETS, "opened.py"):
        assert reasons.pop(name) in {"kept", "syntax_errors", "parser_limit"}, name
    # Noise is text in some encoding to some, but no Python to anybody.
    assert reasons.pop("noise.py") in {"undecodable", "binary", "syntax_errors"}
    assert reasons == {
        "bomb.zip": "archive_limit",
        "overlap.zip": "archive_limit",
        "bomb.tar.gz": "archive_limit",
        "many.tar.gz": "archive_limit",
        "pax.tar": "unreadable",
        "digits.tar": "unreadable",
        "broken.tar.gz": "unreadable",
        "latin.py": "kept",
        "nul.py": "binary",
        "sparse.py": "too_large",
        "loop": "not_a_file",
        "self.py": "not_a_file",
        "new\nline.py": "kept",
        "caf\\xe9.py": "kept",
        "\x1b[2Jclear.py": "kept",
        "pipe.py": "not_a_file",
        "socket.py": "not_a_file",
    }


def test_every_unsafe_member_has_its_reason_and_the_good_one_is_kept(hostile: Hostile) -> None:
    reasons = hostile.reasons("unsafe.tar")
    assert reasons.pop("inside.py") == "kept"
    assert set(reasons.values()) == {"unsafe_member"}
    assert set(reasons) == {
        "../up.py",
        "/absolute.py",
        "symlink.py",
        "hardlink.py",
        "device",
        "fifo",
    }


def test_an_encrypted_member_is_unreadable(hostile: Hostile) -> None:
    assert hostile.reasons("secret.zip") == {"0.py": "unreadable"}


def test_members_before_the_break_are_judged(hostile: Hostile) -> None:
    given = documents_of(hostile.out, "broken.tar.gz")["inside.py"]
    assert {one["reason"] for one in given} <= {"exact_duplicate", "resubmitted", None}


def test_an_empty_directory_alone_is_a_warning_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "src" / "empty").mkdir(parents=True)
    result = gristmill("run", tmp_path / "src", "--out", tmp_path / "out", "--json")
    assert result.returncode == 0
    assert "warning: nothing to read" in result.stderr
    assert json.loads(result.stdout)["documents"] == 0


# --- each alone -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """What a process tree used: CPU seconds, and the peak of the sum of its shares of memory."""

    cpu_seconds: float
    peak_bytes: int


def tree_of(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((task / "children").read_text() for task in tasks)
    except OSError:  # it ended meanwhile
        return
    for child in children.split():
        yield from tree_of(int(child))


def proportional_bytes(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it ended meanwhile
        return 0
    return sum(int(line.split()[1]) << 10 for line in rollup.splitlines() if line[:4] == "Pss:")


def measured(root: Path, out: Path) -> Use:
    """Run over a tree and return what the whole process tree used."""
    command = [*GRISTMILL, "run", str(root), "--out", str(out), "--json", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended = os.pidfd_open(process.pid)
    peak = 0
    while not select.select([ended], [], [], 0.03)[0]:
        peak = max(peak, sum(map(proportional_bytes, tree_of(process.pid))))
    os.close(ended)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Use(usage.ru_utime + usage.ru_stime, peak)


def one_good_file(root: Path) -> None:
    (root / "good.py").write_text("good = 1\n")


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Use]:
    """What every bad input uses beside one good file, and what the good file uses alone."""
    base = tmp_path_factory.mktemp("alone")

    def measure(make: Callable[[Path], None]) -> Use:
        root = base / make.__name__ / "src"
        root.mkdir(parents=True)
        one_good_file(root)
        if make is not one_good_file:
            make(root)
        return measured(root, root.with_name("out"))

    inputs = [one_good_file, *BAD_INPUTS]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip([make.__name__ for make in inputs], pool.map(measure, inputs), strict=True))


@pytest.mark.parametrize("name", [make.__name__ for make in BAD_INPUTS])
def test_a_bad_input_alone_costs_less_than_two_more_runs_and_half_a_gibibyte_at_most(
    uses: dict[str, Use], name: str
) -> None:
    """A run of one good file takes 3 to 8 CPU seconds, by machine; nearly all of it is start."""
    assert uses[name].cpu_seconds <= 3 * uses["one_good_file"].cpu_seconds
    assert uses[name].peak_bytes < 512 * MIB


# --- a run that is stopped, by a full disk or by a person -----------------------------------------


SMALL_STEPS = "[run]\nbatch_documents = 50\ncommit_bytes = 200000\n"


@dataclass(frozen=True)
class Corpus:
    """A few hundred files, settings that write often, and what an undisturbed run makes of them."""

    root: Path
    config: Path
    documents: Counter[str]
    told: dict[str, Any]

    def run_into(self, out: Path) -> list[str]:
        """Return the arguments of a run over the corpus."""
        options = ["--config", str(self.config), "--json", "--workers", "2"]
        return ["run", str(self.root), "--out", str(out), *options]


def document_ids(out: Path) -> Counter[str]:
    from gristmill.cli.reading import open_tables, scan

    ids: list[str] = scan(open_tables(str(out)), "files", ["document_id"])[
        "document_id"
    ].to_pylist()
    return Counter(ids)


def assert_equal_runs(
    out: Path, result: "subprocess.CompletedProcess[str]", corpus: Corpus
) -> None:
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert_conserved(told)
    for key in ("documents", "kept", "dropped", "dead", "bytes", "by_language"):
        assert told[key] == corpus.told[key], key
    found = document_ids(out)
    assert found == corpus.documents
    assert set(found.values()) == {1}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    base = tmp_path_factory.mktemp("corpus")
    root = base / "src"
    root.mkdir()
    for number in range(200):
        names = [hashlib.sha256(f"{number} {line}".encode()).hexdigest() for line in range(60)]
        body = "".join(f"v{line} = '{name}'\n" for line, name in enumerate(names))
        (root / f"m{number:03}.py").write_text(body if number % 10 else "same = 1\n")
    config = base / "small-steps.toml"
    config.write_text(SMALL_STEPS)
    unfinished = Corpus(root, config, Counter(), {})
    result = gristmill(*unfinished.run_into(base / "out"))
    assert result.returncode == 0, result.stderr
    return Corpus(root, config, document_ids(base / "out"), json.loads(result.stdout))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a given size, or give the one that is mounted another size."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def resize(size: str) -> Path:
        remount = "remount," if os.path.ismount(disk) else ""
        options = f"{remount}size={size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
        return disk

    yield resize
    while os.path.ismount(disk):  # lazily: catalogs that a test has read stay open for a while
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


# What is hit at which size was found by experiment; wherever it is, the law is the same.
@pytest.mark.parametrize("size", ["4k", "40k", "64k", "88k", "128k", "512k"])
def test_a_full_disk_is_one_clear_line_and_the_next_run_completes(
    small_disk: Callable[[str], Path], corpus: Corpus, size: str
) -> None:
    out = small_disk(size) / "out"
    full = gristmill(*corpus.run_into(out))
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    said = [line for line in full.stderr.splitlines() if line.startswith("gristmill: ")]
    assert len(said) == 1
    assert "the disk is full" in said[0]
    small_disk("64m")
    assert_equal_runs(out, gristmill(*corpus.run_into(out)), corpus)


def test_an_interrupted_run_ends_in_order_and_the_next_one_completes(
    tmp_path: Path, corpus: Corpus
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*GRISTMILL, *corpus.run_into(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    while said and not said.startswith("reading"):
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    killer = threading.Timer(60, process.kill)
    killer.start()
    _, rest = process.communicate()
    killer.cancel()
    assert process.returncode == 130, said + rest
    assert "Traceback" not in said + rest
    assert "run the same command again" in rest
    assert_equal_runs(out, gristmill(*corpus.run_into(out)), corpus)
