"""Compiled kernels: they work whether or not their machine code can be kept."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_KERNEL = """
from gristmill.runtime.compiled import compiled


@compiled
def total(numbers):
    found = 0
    for number in numbers:
        found += number
    return found
"""

_CHILD = """
import json, resource, sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "full disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import numpy as np
from kernel import total

found = int(total(np.arange(5)))
stats = total.stats
print(json.dumps([
    found, stats.cache_path, sum(stats.cache_hits.values()), len(total.nopython_signatures)
]))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    made = tmp_path / "package"
    made.mkdir()
    (made / "kernel.py").write_text(_KERNEL)
    return made


def run(package: Path, *, disk: str = "", user_cache: Path | str = "/dev/null/cache") -> list[Any]:
    """Call the kernel in a process of its own; tell its result, its cache and its cache hits."""
    environment = {name: value for name, value in os.environ.items() if "NUMBA" not in name}
    environment |= {"HOME": "/dev/null", "XDG_CACHE_HOME": str(user_cache)}
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(package), disk],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    told: list[Any] = json.loads(child.stdout)
    return told


def test_machine_code_is_kept_beside_the_source_and_loaded_the_next_time(package: Path) -> None:
    cache = str(package / "__pycache__")
    assert run(package) == [10, cache, 0, 1]
    assert run(package) == [10, cache, 1, 1]


def test_beside_a_source_that_is_not_writable_it_is_kept_in_the_users_cache(
    package: Path, tmp_path: Path
) -> None:
    (package / "__pycache__").write_text("no directory")
    for num_hits in (0, 1):
        found, cache, hits, compiled = run(package, user_cache=tmp_path / "cache")
        assert (found, hits, compiled) == (10, num_hits, 1)
        assert Path(cache).is_relative_to(tmp_path / "cache")


def test_where_nothing_is_writable_every_process_compiles_for_itself(package: Path) -> None:
    (package / "__pycache__").write_text("no directory")
    assert run(package) == [10, None, 0, 1]
    assert run(package) == [10, None, 0, 1]
    assert sorted(path.name for path in package.iterdir()) == ["__pycache__", "kernel.py"]


def test_where_the_disk_is_full_every_process_compiles_for_itself(package: Path) -> None:
    assert run(package, disk="full disk")[0] == 10
