"""What `make demo` runs: curate code found on this machine, ask why some of it fell, report it.

Standard library only: it starts the `gristmill` that is installed beside this Python. Everything
it writes goes to build/demo, which it removes first.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GRISTMILL = os.path.join(os.path.dirname(sys.executable), "gristmill")
OUT = os.path.join("build", "demo")
FIXTURE = os.path.join("examples", "demo", "fixture")
MOST_DOCUMENTS = 5000
# Packages that gristmill itself needs; some of them bring Cython, C++ and type stubs.
PACKAGES = ("pyarrow", "pyiceberg", "sqlalchemy", "pygments", "pydantic", "fsspec", "rich", "typer")
# Compiled code, what lies in the packages' folder of the standard library, and headers of C++ that
# end in .h: judged by name they pass for C and would fill the funnel with syntax errors.
LEFT_OUT = ("__pycache__/", "*.so*", "site-packages/", "dist-packages/", "include/")
EXAMPLES = (
    (
        "Why is this file not in the corpus? Somebody else had the same file first:",
        "tools/brew_units.py",
    ),
    ("And this one? It is nearly the same, by another pint:", "tools/imperial_units.py"),
    ("And this one? It was committed in the middle of a merge:", "scripts/half_merged.py"),
    ("And this one? A program wrote it, not a person:", "src/brewlog/recipe_pb2.py"),
)


def main() -> int:
    """Run the demo and return the exit code of its run."""
    os.chdir(ROOT)
    if not os.path.isfile(GRISTMILL):
        print(f"demo: there is no {GRISTMILL}; `make demo` installs it", file=sys.stderr)
        return 2
    shutil.rmtree(OUT, ignore_errors=True)
    sources = [*fixture(), "services", *packages(), sysconfig.get_path("stdlib")]
    say(f"Curating at most {MOST_DOCUMENTS:,} files found on this machine into {OUT}:")
    say(f"  {FIXTURE}: {len(fixture())} small repositories with every kind of trouble")
    say("  services: the code of gristmill itself")
    say(f"  installed packages: {', '.join(os.path.basename(path) for path in packages())}")
    say(f"  the standard library of Python {sys.version_info.major}.{sys.version_info.minor}\n")
    code = gristmill(
        "run", *sources, "--out", OUT, "--limit", str(MOST_DOCUMENTS),
        "--no-archives",  # the fixture's are named and opened; the test data of Python's are not
        *(part for pattern in LEFT_OUT for part in ("--exclude", pattern)),
    )  # fmt: skip
    if code:
        return code
    for question, path in EXAMPLES:
        say(f"\n{question}\n$ {shown()} why {OUT} --path {path}")
        if code := gristmill("why", OUT, "--path", path):
            return code
    if code := make_cut():
        return code
    page = os.path.join(OUT, "report.html")
    say(
        f"\nAll of it as one page, with the funnel as a flow and duplicates side by side:\n"
        f"$ {shown()} report {OUT} -o {page}"
    )
    if code := gristmill("report", OUT, "-o", page):
        return code
    say(NEXT.format(gristmill=shown(), out=OUT, fixture=FIXTURE))
    return 0


def make_cut() -> int:
    """Make a cut, say in a line what it accepts, and return the exit code."""
    command = [GRISTMILL, "quality", "calibrate", OUT, "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode == 0:
        told = json.loads(done.stdout)
        say(
            "\nWhere would the worst tenth be cut off? By score, and no document is rewritten:\n"
            f"$ {shown()} quality calibrate {OUT}\n"
            f"{told['accepted']:,} of {told['documents']:,} kept documents are accepted"
        )
    return done.returncode


NEXT = """
What to type next:
  {gristmill} tables {out}                      # what was written, and where
  {gristmill} why {out} --repository kettle     # every file of one repository
  {gristmill} run ~/src --out build/mine             # your own code

What does another rule change? Run twice, with and without it, and compare:
  {gristmill} run {fixture}/* --out build/a
  GRISTMILL_SYNTAX_ERROR_BUDGET=0.5 {gristmill} run {fixture}/* --out build/b
  {gristmill} diff build/a build/b"""


def fixture() -> list[str]:
    """Return the fixture's repositories: folders first, so that archives hold the copies."""
    paths = [os.path.join(FIXTURE, name) for name in sorted(os.listdir(FIXTURE))]
    return sorted(paths, key=lambda path: not os.path.isdir(path))


def packages() -> list[str]:
    """Return the folders of those packages that are installed."""
    folders = [os.path.join(sysconfig.get_path("platlib"), name) for name in PACKAGES]
    return [folder for folder in folders if os.path.isdir(folder)]


def shown() -> str:
    """Return the command as a person types it from the repository's root."""
    relative = os.path.relpath(GRISTMILL, ROOT)
    return GRISTMILL if relative.startswith("..") else relative


def say(text: str) -> None:
    """Print at once: the command's own output follows."""
    print(text, flush=True)


def gristmill(*arguments: str) -> int:
    """Run one command to its end; an interrupt is its business, and it stops in order."""
    process = subprocess.Popen([GRISTMILL, *arguments], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
