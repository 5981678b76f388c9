"""The worker process of a local run: `python -m gristmill.cli.worker CONNECTION MARKS`."""

import mmap
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.engine.worker import Limits, Toolbox, serve

COMMAND = (sys.executable, "-P", "-m", "gristmill.cli.worker")
"""-P: a file in the working directory must not pass for one of our modules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a worker is told at its start; `settings` holds one dataclass for each stage named."""

    segments: Sequence[Sequence[str]]
    settings: Mapping[str, Any]  # Any: each stage's own settings class
    max_file_bytes: int
    limits: Limits


def _build(setup: WorkerSetup) -> Toolbox:
    plugins = load_plugins(setup.settings)  # dedup's compiler has no business here

    def stage(name: str) -> Any:  # noqa: ANN401  # a Stage; mypy cannot see through the plugin
        build = plugins[name].build
        assert build is not None, "stateful stages never run in a worker"
        return build(setup.settings[name])

    segments = [[(name, stage(name)) for name in names] for names in setup.segments]
    return Toolbox(reader(setup.max_file_bytes), segments)


def main(arguments: Sequence[str]) -> None:
    """Serve the parent that started this process."""
    connection = Connection(int(arguments[0]))
    marks = mmap.mmap(int(arguments[1]), mmap.PAGESIZE)
    setup: WorkerSetup = connection.recv()
    serve(connection, marks, setup.limits, lambda: _build(setup))


if __name__ == "__main__":
    main(sys.argv[1:])
