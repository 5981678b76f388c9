"""The same files give the same kept documents, in whatever form they come."""

import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet
from seaweed import BUCKET, Seaweed

from gristmill.runtime.testing.git import GitRepository

GRISTMILL = [sys.executable, "-P", "-m", "gristmill.cli.main"]
NUM_FILES = 5000
NAME = "kettle"
Kept = dict[str, tuple[str, str, str | None]]
"""What is known of a kept document, by its path: hash, repository, revision."""


def made_files() -> dict[str, bytes]:
    """Return files of which some are kept and some fall, each for another reason."""
    chance = random.Random(5000)
    files: dict[str, bytes] = {}
    for number in range(NUM_FILES):
        name = f"src/p{number % 40:02}/m{number:04}.py"
        lines = [f"v{n} = {chance.randrange(10**9)}" for n in range(chance.randrange(2, 12))]
        content = ("\n".join(lines) + "\n").encode()
        if number % 50 == 1:
            content = b"same = 1\n"
        elif number % 50 == 2:
            content = b"\0" + content
        elif number % 50 == 3:
            content = content + b"def (:\n" * 20
        elif number % 50 == 4:
            name = name.replace("src/", "src/vendor/")
        elif number % 50 == 5:
            content = "# Größe\n".encode("latin-1") + content
        files[name] = content
    return dict(sorted(files.items(), key=lambda item: os.fsencode(item[0])))


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return made_files()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("same")


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(str(tmp_path_factory.mktemp("seaweed")))
    try:
        server.start()
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def gristmill(*arguments: object, environment: Mapping[str, str] | None = None) -> str:
    result = subprocess.run(
        [*GRISTMILL, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def run(
    out: Path, *arguments: object, environment: Mapping[str, str] | None = None
) -> tuple[Kept, dict[str, Any]]:
    """Run over a source; return what was kept and what was told."""
    from gristmill.cli.reading import open_tables, scan

    told = json.loads(
        gristmill(
            "run", *arguments, "--out", out, "--json", "--workers", 2, environment=environment
        )
    )
    columns = ["path", "content_sha256", "repository", "revision"]
    rows = scan(open_tables(str(out)), "files", columns).to_pylist()
    kept = {r["path"]: (r["content_sha256"], r["repository"], r["revision"]) for r in rows}
    assert len(kept) == told["kept"]
    return kept, told


@pytest.fixture(scope="module")
def directory(files: Mapping[str, bytes], base: Path) -> tuple[Kept, dict[str, Any]]:
    """What is kept of the files in a directory, and what is told of them."""
    root = base / "directory" / NAME
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    kept, told = run(base / "out-directory", root)
    assert told["documents"] == NUM_FILES
    assert set(told["dropped"]) >= {"exact_duplicate", "binary", "syntax_errors", "vendored"}
    assert 4000 < len(kept) < NUM_FILES
    return kept, told


def assert_same(
    found: tuple[Kept, dict[str, Any]],
    expected: tuple[Kept, dict[str, Any]],
    revision: str | None = None,
) -> None:
    assert found[0] == {
        path: (sha256, NAME, revision) for path, (sha256, _, _) in expected[0].items()
    }
    for key in ("documents", "bytes", "dropped", "dead", "by_language"):
        assert found[1][key] == expected[1][key], key


def test_a_git_repository(
    files: Mapping[str, bytes], base: Path, directory: tuple[Kept, dict[str, Any]]
) -> None:
    repository = GitRepository(str(base / f"{NAME}.git"))
    commit = repository.commit_files(files).decode()
    os.chmod(repository.directory, 0o700)
    found = run(base / "out-git", repository.directory)
    assert_same(found, directory, commit)
    path = next(iter(found[0]))
    why = json.loads(gristmill("why", base / "out-git", "--path", path, "--json"))
    assert why["documents"][0]["status"] == "kept"


def test_parquet_of_the_shape_of_the_stack(
    files: Mapping[str, bytes], base: Path, directory: tuple[Kept, dict[str, Any]]
) -> None:
    revision = "5" * 40
    columns = {
        "hexsha": pa.array([f"{n:040x}" for n in range(NUM_FILES)]),
        "size": pa.array([len(content) for content in files.values()]),
        "ext": pa.array([path.rpartition(".")[2] for path in files]),
        "lang": pa.array(["Python"] * NUM_FILES).dictionary_encode(),
        "max_stars_repo_path": pa.array(list(files)),
        "max_stars_repo_name": pa.array([NAME] * NUM_FILES).dictionary_encode(),
        "max_stars_repo_head_hexsha": pa.array([revision] * NUM_FILES),
        "max_stars_repo_licenses": pa.array([["MIT"]] * NUM_FILES),
        "max_stars_count": pa.array([None] * NUM_FILES, pa.int64()),
        # Theirs is text; ours has files that are none, which text cannot hold.
        "content": pa.array(list(files.values()), pa.binary()),
        "avg_line_length": pa.array([12.5] * NUM_FILES),
    }
    path = base / "train-00000-of-00001.parquet"
    parquet.write_table(pa.table(columns), path, row_group_size=700)
    found = run(base / "out-parquet", path, "--map", "the-stack")
    assert_same(found, directory, revision)
    from gristmill.cli.reading import open_tables, scan

    licences = scan(open_tables(str(base / "out-parquet")), "files", ["licence"])["licence"]
    assert set(licences.to_pylist()) == {"MIT"}


def test_a_tar_on_a_real_s3_server(
    files: Mapping[str, bytes],
    base: Path,
    directory: tuple[Kept, dict[str, Any]],
    seaweed: Seaweed,
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            about = tarfile.TarInfo(path)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    put(seaweed, f"tars/{NAME}-1.0.tar.zst", zstandard.compress(buffer.getvalue()))
    metadata = base / "metadata.jsonl"
    metadata.write_text(json.dumps({"repository": f"{NAME}-1.0.tar.zst", "name": NAME, "stars": 7}))
    found = run(
        base / "out-s3",
        f"s3://{BUCKET}/tars/{NAME}-1.0.tar.zst",
        "--metadata",
        metadata,
        environment=environment_of(seaweed),
    )
    assert_same(found, directory)


def test_the_files_as_objects_under_a_prefix(
    files: Mapping[str, bytes],
    base: Path,
    directory: tuple[Kept, dict[str, Any]],
    seaweed: Seaweed,
) -> None:
    some = dict(list(files.items())[::25])
    for path, content in some.items():
        put(seaweed, f"objects/{NAME}/{path}", content)
    kept, told = run(
        base / "out-prefix",
        f"s3://{BUCKET}/objects/{NAME}",
        environment=environment_of(seaweed),
    )
    assert told["documents"] == len(some)
    assert set(kept) <= set(some)
    hashes = {path: sha256 for path, (sha256, _, _) in directory[0].items()}
    for path, (sha256, repository, _) in kept.items():
        assert repository == NAME
        assert hashes.get(path, sha256) == sha256
    assert {path for path in hashes if path in some} <= set(kept)


def put(seaweed: Seaweed, key: str, content: bytes) -> None:
    with seaweed.files().open_output_stream(f"{BUCKET}/{key}", compression=None) as stream:
        stream.write(content)


def environment_of(seaweed: Seaweed) -> dict[str, str]:
    settings = seaweed.settings("reader")
    return {
        "GRISTMILL_SOURCES_S3_ENDPOINT": settings.s3_endpoint,
        "GRISTMILL_SOURCES_S3_ACCESS_KEY": settings.s3_access_key,
        "GRISTMILL_SOURCES_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }


@pytest.mark.parametrize("form", ["git", "parquet", "jsonl"])
def test_a_run_in_parts_is_one_run(tmp_path: Path, form: str) -> None:
    some = {f"m{n}.py": f"v{n} = {n * n}\nw = {n}\n".encode() for n in range(30)}
    options: tuple[object, ...] = ("--map", "content=c,path=p", "--exclude", "m1?.py")
    rows = [{"c": content.decode(), "p": path} for path, content in some.items()]
    if form == "git":
        source = tmp_path / "kettle.git"
        GitRepository(str(source)).commit_files(some)
        options = options[2:]
    elif form == "parquet":
        source = tmp_path / "t.parquet"
        parquet.write_table(pa.Table.from_pylist(rows), source, row_group_size=7)
    else:
        source = tmp_path / "t.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole, told = run(tmp_path / "whole", source, *options)
    for limit in (3, 11):
        run(tmp_path / "parts", source, *options, "--limit", limit)
    parts, told_at_last = run(tmp_path / "parts", source, *options)
    assert parts == whole
    assert len(whole) == 20
    assert told_at_last["documents"] == told["documents"] == 20
    assert told_at_last["new"] < 20
    again, told_again = run(tmp_path / "parts", source, *options)
    assert again == whole
    assert told_again["new"] == 0
