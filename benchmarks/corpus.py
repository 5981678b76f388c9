"""Build the corpus of real code that the benchmarks and measurements read.

It is a directory of package archives (Python wheels and sdists, npm tarballs, Rust crates, Go
module zips, Maven source jars) and a copy of the running interpreter's standard library. The
archives are pinned by name and version in ``corpus.toml`` and by sha256 in ``corpus.sha256``, so
every machine measures the same bytes. Only ``stdlib/`` is not pinned: it is what the Python that
runs this script ships, and some distributions package that without its tests.

``--pins`` names another such list with its hashes beside it, and no standard library is copied:
``languages.toml`` is what the classifier of languages learns from. It takes Debian packages too.

The archives come through the ordinary package clients with the user's own settings: mirrors,
proxies and caches all apply. They are never extracted, because reading them is part of what is
measured; their names only show the format (``.crate.tar.gz``, ``.whl.zip``, ``-sources.zip``).

``DEST.manifest.json`` beside the corpus directory DEST holds the sha256 and the counts of each
part. A second call hashes what is there and fetches only what is missing or changed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import threading
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus_counts import count_archive, count_folder

PINS_FILE = Path(__file__).resolve().with_name("corpus.toml")
STDLIB = "stdlib"
CLIENT_TIMEOUT_S = 900
# Two, so that one download runs while another client starts: no load on anyone's mirror.
JOBS = 2
# The default version of the plugin differs between Maven distributions.
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
# Installed packages, compiled code and the files for linking are no part of the standard library.
STDLIB_SKIP = ("__pycache__", "lib-dynload", "*-packages", "config-3*", "*.a", "*.exe", "*.pyc")


class CorpusError(ValueError):
    """A reason, in words for the user, why the corpus could not be built."""


FAILURES = (OSError, ValueError, subprocess.TimeoutExpired, tarfile.TarError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Pin:
    """One archive of the corpus: where it comes from and the path it is kept under."""

    kind: str
    name: str
    version: str

    @property
    def path(self) -> str:
        """Where the archive lies in the corpus directory."""
        flat = self.name.lstrip("@").replace("/", "-").replace(":", "-")
        return f"{self.kind}/{flat}-{self.version.replace(':', '-')}{KINDS[self.kind][1]}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version}"


def run_client(command: Sequence[str], cwd: Path) -> str:
    """Run a package client and return its standard output."""
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        encoding="utf-8", errors="replace", timeout=CLIENT_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        # Maven and `go -json` report errors on standard output.
        lines = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise CorpusError(f"{Path(command[0]).name} exited with {done.returncode}:\n    {lines}")
    return done.stdout


def only_file(folder: Path, pattern: str) -> Path:
    """Find the one file that a client was to put into folder."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in sorted(folder.iterdir())) or "nothing"
        raise CorpusError(f"expected one file {pattern}, but the client left {names}")
    return found[0]


def fetch_with_pip(pin: Pin, work: Path) -> Path:
    """Download a wheel or an sdist."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-input", "--no-deps", "-d", "."]
    # An sdist's build requirements may well be wheels, so only the package itself is from source.
    form = "--only-binary=:all:" if pin.kind == "wheel" else f"--no-binary={pin.name}"
    run_client([*pip, form, f"{pin.name}=={pin.version}"], work)
    # A wheel for one platform would make the corpus differ between machines.
    return only_file(work, "*-none-any.whl" if pin.kind == "wheel" else "*.tar.gz")


def fetch_npm(pin: Pin, work: Path) -> Path:
    """Download an npm tarball."""
    run_client(["npm", "pack", f"{pin.name}@{pin.version}", "--ignore-scripts"], work)
    return only_file(work, "*.tgz")


def fetch_crate(pin: Pin, work: Path) -> Path:
    """Find a crate in cargo's cache, after cargo has put it there."""
    # `cargo info` (1.82 and later) is the one subcommand that gets a single crate without also
    # resolving and fetching everything that it depends on.
    run_client(["cargo", "info", "--quiet", f"{pin.name}@{pin.version}"], work)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for crate in home.glob(f"registry/cache/*/{pin.name}-{pin.version}.crate"):
        return crate
    raise CorpusError(f"cargo left no {pin.name}-{pin.version}.crate under {home}")


def fetch_go(pin: Pin, work: Path) -> Path:
    """Find a module's zip in Go's module cache, after go has put it there."""
    module = f"{pin.name}@{pin.version}"
    return Path(json.loads(run_client(["go", "mod", "download", "-json", module], work))["Zip"])


def fetch_debian(pin: Pin, work: Path) -> Path:
    """Download a Debian package and take the archive of its files out of it."""
    run_client(["apt-get", "-q", "download", f"{pin.name}={pin.version}"], work)
    return unpack_deb(only_file(work, "*.deb"))


def unpack_deb(package: Path) -> Path:
    """Write the archive of a package's files beside it; a .deb is an `ar` of three members."""
    with package.open("rb") as stream:
        if stream.read(8) != b"!<arch>\n":
            raise CorpusError(f"{package.name} is no Debian package")
        while header := stream.read(60):
            name, size = header[:16].decode("ascii").strip(" /"), int(header[48:58])
            if name == "data.tar.xz":
                target = package.with_suffix(".tar.xz")
                target.write_bytes(stream.read(size))
                return target
            stream.seek(size + size % 2, os.SEEK_CUR)
    raise CorpusError(f"{package.name} has no data.tar.xz")


def fetch_maven(pin: Pin, work: Path) -> Path:
    """Download the source jar of a Maven artifact."""
    artifact = f"-Dartifact={pin.name}:{pin.version}:jar:sources"
    run_client(["mvn", "-q", "-B", MAVEN_COPY, artifact, f"-DoutputDirectory={work}"], work)
    return only_file(work, "*-sources.jar")


# Kind of package: its client, what its archives are called here, and how one is fetched.
KINDS: dict[str, tuple[str, str, Callable[[Pin, Path], Path]]] = {
    "wheel": ("pip", ".whl.zip", fetch_with_pip),
    "sdist": ("pip", ".tar.gz", fetch_with_pip),
    "npm": ("npm", ".tgz", fetch_npm),
    "crate": ("cargo", ".crate.tar.gz", fetch_crate),
    "go": ("go", ".zip", fetch_go),
    "maven": ("mvn", "-sources.zip", fetch_maven),
    "debian": ("apt-get", ".tar.xz", fetch_debian),
}


def read_pins(path: Path) -> list[Pin]:
    """Read corpus.toml: a table for each kind, and in it `name = ["version", ...]`."""
    tables: dict[str, dict[str, list[str]]] = tomllib.loads(path.read_text("utf-8"))
    if unknown := sorted(set(tables) - set(KINDS)):
        raise CorpusError(f"{path.name}: unknown kind of package: {', '.join(unknown)}")
    pins = [
        Pin(kind, name, version)
        for kind, names in tables.items()
        for name, versions in names.items()
        for version in versions
    ]
    if len({pin.path for pin in pins}) < len(pins):
        raise CorpusError(f"{path.name}: two pins would be kept under the same path")
    return pins


def read_hashes(path: Path) -> dict[str, str]:
    """Read corpus.sha256, which is in the format of `sha256sum`, as path -> hash."""
    if not path.exists():
        return {}
    pairs = (line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines() if line)
    return {name.strip(): digest for digest, name in pairs}


def write_atomically(path: Path, text: str) -> None:
    """Replace a file such that an interruption leaves the old one or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    os.replace(part, path)


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Corpus:
    """The corpus directory and the manifest that says what is in it."""

    def __init__(self, root: Path, hashes_file: Path, *, update_hashes: bool) -> None:
        self.root = root
        self.hashes_file = hashes_file
        self.manifest_path = root.with_name(root.name + ".manifest.json")
        self.update_hashes = update_hashes
        self.hashes = read_hashes(hashes_file)
        self.lock = threading.Lock()
        self.manifest: dict[str, dict[str, Any]] = {}
        # The manifest only saves work: without one the archives are counted again.
        if self.manifest_path.exists():
            self.manifest = json.loads(self.manifest_path.read_text("utf-8"))

    def record(self, path: str, entry: dict[str, Any]) -> None:
        """Note in the manifest that a part of the corpus is in place."""
        with self.lock:
            self.manifest[path] = entry
            self.save()

    def save(self) -> None:
        """Write the manifest, and corpus.sha256 where that was asked for."""
        write_atomically(self.manifest_path, json.dumps(self.manifest, indent=1) + "\n")
        if self.update_hashes:
            lines = [f"{digest}  {path}\n" for path, digest in sorted(self.hashes.items())]
            write_atomically(self.hashes_file, "".join(lines))

    def has(self, pin: Pin) -> bool:
        """Whether the pin's archive is there, with the pinned sha256, and counted."""
        target = self.root / pin.path
        if not target.is_file():
            return False
        digest = sha256_of(target)
        if digest != self.hashes.get(pin.path):
            return False
        if self.manifest.get(pin.path, {}).get("sha256") != digest:
            self.record(pin.path, {"sha256": digest, **count_archive(target)})
        return True

    def fetch(self, pin: Pin) -> dict[str, Any]:
        """Fetch an archive, verify and count it, and only then put it in place."""
        target = self.root / pin.path
        target.parent.mkdir(parents=True, exist_ok=True)
        # The clients run in a folder outside any project, so that no manifest or lock file of a
        # surrounding project changes what they do.
        with tempfile.TemporaryDirectory(prefix="corpus-") as work:
            part = self.root.with_name(f"{self.root.name}.part-{target.name}")
            try:
                shutil.copyfile(KINDS[pin.kind][2](pin, Path(work)), part)
                digest = sha256_of(part)
                if self.update_hashes:
                    self.hashes.setdefault(pin.path, digest)
                if digest != (pinned := self.hashes.get(pin.path, "none (see --update-hashes)")):
                    name = self.hashes_file.name
                    raise CorpusError(f"sha256 is {digest}, in {name} it is {pinned}")
                counts = count_archive(part)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
        self.record(pin.path, {"sha256": digest, **counts})
        return counts

    def build_stdlib(self) -> None:
        """Copy the standard library, unless it is there from this very Python and unchanged."""
        target = self.root / STDLIB
        entry = {"python": sys.version, **count_folder(target)}
        if entry["files"] and entry == self.manifest.get(STDLIB):
            return
        part = self.root.with_name(f"{self.root.name}.part-{STDLIB}")
        for stale in (part, target):
            shutil.rmtree(stale, ignore_errors=True)
        skip = shutil.ignore_patterns(*STDLIB_SKIP)
        shutil.copytree(
            sysconfig.get_path("stdlib"), part, ignore=skip, ignore_dangling_symlinks=True
        )
        part.replace(target)
        self.record(STDLIB, {"python": sys.version, **count_folder(target)})

    def forget_unpinned(self, pins: Sequence[Pin]) -> None:
        """Remove archives that this script once put here and that are no longer pinned."""
        wanted = {pin.path for pin in pins} | {STDLIB}
        for path in set(self.manifest) - wanted:
            (self.root / path).unlink(missing_ok=True)
            del self.manifest[path]
        self.hashes = {path: self.hashes[path] for path in wanted & self.hashes.keys()}
        self.save()

    def totals(self) -> dict[str, Any]:
        """Sum up the manifest."""
        languages: Counter[str] = Counter()
        for entry in self.manifest.values():
            languages.update(entry["languages"])
        return {
            "files": sum(entry["files"] for entry in self.manifest.values()),
            "bytes": sum(entry["bytes"] for entry in self.manifest.values()),
            "archives": len(self.manifest.keys() - {STDLIB}),
            "languages": dict(languages.most_common()),
        }


def fetch_all(corpus: Corpus, pins: Sequence[Pin]) -> None:
    """Fetch the pins, a few at a time, and report every one that failed at the end."""
    clients = {KINDS[pin.kind][0] for pin in pins}
    if "pip" in clients and importlib.util.find_spec("pip") is None:
        raise CorpusError(f"{sys.executable} has no pip (try: {sys.executable} -m ensurepip)")
    if missing := [name for name in sorted(clients - {"pip"}) if shutil.which(name) is None]:
        raise CorpusError(f"package clients missing on PATH: {', '.join(missing)}")
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=JOBS) as pool:
        running = {pool.submit(corpus.fetch, pin): pin for pin in pins}
        try:
            for number, future in enumerate(as_completed(running), 1):
                pin = running[future]
                try:
                    counts = future.result()
                    said = f"{counts['files']:,} files, {counts['bytes'] / 1e6:.1f} MB"
                except FAILURES as error:
                    said = f"FAILED: {error}"
                    failed.append(f"{pin}: {error}")
                print(f"[{number}/{len(pins)}] {pin}: {said}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        raise CorpusError("\n  ".join([f"{len(failed)} packages failed:", *failed]))


def main(argv: Sequence[str] | None = None) -> int:
    """Build or complete the corpus, print what it holds, and return the exit status."""
    about = "Build the corpus of real code that the benchmarks read, or complete it."
    example = "example: python benchmarks/corpus.py build/corpus --json"
    parser = argparse.ArgumentParser("corpus.py", description=about, epilog=example)
    parser.add_argument("dest", type=Path, metavar="DEST", help="the corpus directory")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    help_text = "record the sha256 of newly pinned packages beside the pins"
    parser.add_argument("--update-hashes", action="store_true", help=help_text)
    help_text = "another list of packages than corpus.toml, without the standard library"
    parser.add_argument("--pins", type=Path, default=PINS_FILE, metavar="FILE", help=help_text)
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    try:
        pins_file = arguments.pins.resolve()
        pins = read_pins(pins_file)
        root = arguments.dest.resolve()
        root.mkdir(parents=True, exist_ok=True)
        hashes_file = pins_file.with_suffix(".sha256")
        corpus = Corpus(root, hashes_file, update_hashes=arguments.update_hashes)
        corpus.forget_unpinned(pins)
        if pins_file == PINS_FILE:
            corpus.build_stdlib()
        fetch_all(corpus, [pin for pin in pins if not corpus.has(pin)])
        totals = corpus.totals()
    except (OSError, ValueError) as error:
        print(f"corpus.py: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("corpus.py: interrupted; the same call goes on from here", file=sys.stderr)
        return 130
    if arguments.json:
        print(json.dumps(totals, indent=1))
    else:
        print(
            f"{arguments.dest}: {totals['files']:,} files, {totals['bytes'] / 1e6:.0f} MB,"
            f" {totals['archives']} archives, {len(totals['languages'])} languages"
            f" ({time.monotonic() - started:.1f} s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
