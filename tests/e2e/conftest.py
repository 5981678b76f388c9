"""Running the real command line, and looking at what it left behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.reading import open_tables, scan

COMMAND = (sys.executable, "-m", "gristmill.cli.main")
_MOST_SECONDS = 1800


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        told: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return told


class Mill:
    """The command line, run as a person runs it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}

    def with_environment(self, **variables: str) -> "Mill":
        return Mill({**self._environment, **variables})

    def __call__(self, *arguments: str | Path) -> Finished:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            env=self._environment,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        """Run `gristmill run … --json` to a good end and return what it told."""
        finished = self("run", *arguments, "--json")
        assert finished.code == 0, finished.err
        return finished.told

    def kill_run(self, seconds: float, out: Path, *arguments: str | Path) -> bool:
        """Start a run and kill -9 its whole tree `seconds` after it began to work.

        False when it had ended before.
        """
        mark = out / "unfinished"
        before = mark.stat().st_mtime_ns if mark.exists() else 0
        process = subprocess.Popen(
            [*COMMAND, "run", "--out", str(out), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )
        while process.poll() is None and not (mark.exists() and mark.stat().st_mtime_ns > before):
            time.sleep(0.005)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        return False


@pytest.fixture(scope="session")
def mill() -> Mill:
    return Mill()


@pytest.fixture(scope="session")
def kept_ids() -> Callable[[Path], list[str]]:
    """The ids in `files`, sorted; each must be there once."""

    def read(directory: Path) -> list[str]:
        ids: list[str] = scan(open_tables(str(directory)), "files", ["document_id"])[
            "document_id"
        ].to_pylist()
        doubled = [one for one, count in Counter(ids).items() if count > 1]
        assert not doubled, f"{len(doubled)} rows are doubled"
        return sorted(ids)

    return read


@pytest.fixture(scope="session")
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the laws are held on: a few hundred real files and an archive, or --corpus."""
    if corpus := request.config.getoption("--corpus"):
        return Path(corpus)
    root = tmp_path_factory.mktemp("source")
    library = Path(sysconfig.get_paths()["stdlib"])
    packages = ("asyncio", "concurrent", "email", "encodings", "http", "json", "logging", "xml")
    for package in packages:
        shutil.copytree(library / package, root / package)
    shutil.copytree(library / "json", root / "copy-of-json")
    with tarfile.open(root / "archive.tar.gz", "w:gz") as archive:
        for package in ("html", "unittest", "urllib", "json"):
            archive.add(library / package, package, filter=_without_caches)
    (root / "broken.py").write_text("def f(:\n" * 50)
    (root / "empty.py").write_text("")
    (root / "data.csv").write_text("1,2\n")
    return root


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


@pytest.fixture(scope="session")
def moments() -> Callable[[int], Sequence[float]]:
    """Shares of a run's time after which it is killed: random, the same in every run."""

    def draw(count: int) -> Sequence[float]:
        chance = random.Random(20261126)
        return [chance.uniform(0.05, 0.28) for _ in range(count)]

    return draw
