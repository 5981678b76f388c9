"""The directory of a local run: what lies where, which schema it has, and who may write.

DIR/gristmill.json   schema version          DIR/listings/   what each source listed
DIR/catalog.db       Iceberg's catalog       DIR/index/      the dedup index
DIR/warehouse/       Iceberg's tables        DIR/verdicts/   what the syntax check has found before
DIR/runs/            what each run was told  DIR/lock        held by the one run that writes
                     and what it took
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import zstandard

from gristmill.runtime.model import BadInput

SCHEMA_VERSION = 1
RUN, LOG = "run", "log"
"""Who may feed a directory: runs of the command, or the workers behind the log."""

_ABOUT = "gristmill.json"
_UNFINISHED = "unfinished"
_MAKING = "making.lock"
_LEFT_AT_START = {"lock", _MAKING, f"{_ABOUT}.new"}  # by a process that was killed there


class ListedSource(Protocol):
    """A source whose listing can be written down."""

    def lines(self) -> Iterator[str]:
        """Yield the listing, line by line."""
        ...


class RunDirectory:
    """Paths under DIR, after its schema version was checked."""

    def __init__(self, path: str) -> None:
        """Open an existing directory. Raises BadInput for anything else."""
        self.path = path
        about = os.path.join(path, _ABOUT)
        if not os.path.isfile(about):
            raise BadInput(f"{path} is not the output of a gristmill run")
        try:
            with open(about, encoding="utf-8") as stream:
                content = json.load(stream)
                version, home = content["schema"], content.get("home")
                self.fed_by: str = content.get("fed_by", RUN)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadInput(f"{about} cannot be read: {error}") from error
        if version != SCHEMA_VERSION:
            raise BadInput(
                f"{path} has schema version {version}, this gristmill reads {SCHEMA_VERSION}: "
                f"`gristmill upgrade {path}` says what can be done"
            )
        if home is not None and home != os.path.realpath(path):
            # Iceberg's metadata names absolute paths: here they would lead to the other place.
            raise BadInput(
                f"{path} was moved or copied from {home}, where its tables still point: move it "
                "back, or run its sources into a new directory"
            )

    @classmethod
    def create(cls, path: str, fed_by: str = RUN) -> "RunDirectory":
        """Open a directory, or make it when it is missing or empty.

        Runs and the log each feed directories of their own: both keep their place in the tables
        and the index, and neither knows what of the other's is still on its way.
        """
        about = os.path.join(path, _ABOUT)
        if not _is_text(path):
            raise BadInput("the name of the output directory is not valid UTF-8")
        if not os.path.exists(about):
            try:
                os.makedirs(path, exist_ok=True)
                present = set(os.listdir(path))
            except FileExistsError as error:
                raise BadInput(f"{path} is not a directory") from error
            except OSError as error:
                raise BadInput(f"{path} cannot be made: {error.strerror}") from error
            foreign = present - _LEFT_AT_START
            if foreign and not os.path.exists(about):  # another process may have made it just now
                raise BadInput(f"{path} exists and is not the output of a gristmill run")
            content = {"schema": SCHEMA_VERSION, "home": os.path.realpath(path), "fed_by": fed_by}
            with _making(path):
                if not os.path.exists(about):
                    _write_atomically(about, json.dumps(content).encode())
        directory = cls(path)
        if directory.fed_by != fed_by:
            how = {
                RUN: "belongs to `gristmill run`: let the workers write to a new directory",
                LOG: "is fed by the workers of `make up`: put sources in with `gristmill feed`",
            }
            raise BadInput(f"{path} {how.get(directory.fed_by, 'is fed by somebody else')}")
        return directory

    @property
    def index(self) -> str:
        """Where the dedup index lies."""
        return os.path.join(self.path, "index")

    @property
    def verdicts(self) -> str:
        """Where the syntax check remembers what it has found; it may be deleted."""
        return os.path.join(self.path, "verdicts")

    @property
    def unfinished(self) -> bool:
        """Whether the last run that wrote here ended without saying so."""
        return os.path.exists(os.path.join(self.path, _UNFINISHED))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the directory for writing; a second writer gets a clear error."""
        with self._locked("lock", "another run is writing"):
            yield

    @contextmanager
    def admitting(self) -> Iterator[None]:
        """Hold the dedup index for admission: one process at a time, whoever writes the tables."""
        with self._locked("index.lock", "another worker is admitting"):
            yield

    @contextmanager
    def making(self) -> Iterator[None]:
        """Wait for a turn to make what several processes need and only one can make."""
        with _making(self.path):
            yield

    @contextmanager
    def _locked(self, name: str, otherwise: str) -> Iterator[None]:
        with open(os.path.join(self.path, name), "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadInput(f"{otherwise} to {self.path}") from error
            yield

    @contextmanager
    def unfinished_until_done(self) -> Iterator[None]:
        """Leave a mark on disk for as long as a run has not come to an orderly end."""
        mark = os.path.join(self.path, _UNFINISHED)
        _write_atomically(mark, b"")
        yield
        os.unlink(mark)

    def save_listing(self, identity: str, source: ListedSource) -> None:
        """Write down what a source listed, once."""
        path = self._listing(identity)
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            text = "".join(f"{line}\n" for line in source.lines())
            _write_atomically(path, zstandard.compress(text.encode()))

    def load_listing(self, identity: str) -> list[str]:
        """Return the lines of a listing; none where it is missing or damaged."""
        try:
            with open(self._listing(identity), "rb") as stream:
                return zstandard.decompress(stream.read()).decode().splitlines()
        except (OSError, zstandard.ZstdError, UnicodeDecodeError):
            return []

    def new_run(self) -> int:
        """Return the number of the run that begins; for the one who holds the directory."""
        return max(self._run_numbers(), default=0) + 1

    def save_run(self, number: int, about: Mapping[str, object]) -> None:
        """Write down what a run was told and what it took, in place of what was there."""
        path = self._run(number)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write_atomically(path, json.dumps(about, indent=1).encode() + b"\n")

    def load_runs(self, most: int) -> list[dict[str, Any]]:
        """Return what the last runs said, the newest first, `most` of them; not what is damaged."""
        found: list[dict[str, Any]] = []
        for number in sorted(self._run_numbers(), reverse=True)[:most]:
            with suppress(OSError, ValueError), open(self._run(number), encoding="utf-8") as stream:
                about = json.load(stream)
                if isinstance(about, dict):
                    found.append({**about, "run": number})
        return found

    @property
    def num_runs(self) -> int:
        """How many runs have written down what they did."""
        return len(self._run_numbers())

    def _run_numbers(self) -> list[int]:
        try:
            names = os.listdir(os.path.join(self.path, "runs"))
        except OSError:
            return []
        stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return [int(stem) for stem in stems if stem.isascii() and stem.isdigit()]

    def _run(self, number: int) -> str:
        return os.path.join(self.path, "runs", f"{number}.json")

    def _listing(self, identity: str) -> str:
        return os.path.join(self.path, "listings", f"{identity}.jsonl.zst")


@contextmanager
def _making(path: str) -> Iterator[None]:
    with open(os.path.join(path, _MAKING), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_atomically(path: str, data: bytes) -> None:
    temporary = f"{path}.new"
    with open(temporary, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
