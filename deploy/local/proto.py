"""Generates services/gristmill/runtime/wire/generated from protos/, or checks that it is current.

protoc takes the folder under protos/ for the Python package and would have the files import each
other as `gristmill.v1`, which does not exist: the code lives inside the package `gristmill`. The
module names are therefore rewritten; the names in the descriptor pool stay `gristmill/v1/*.proto`.

protos/contract.binpb is the contract as it was agreed on: what would break it is refused, and what
only adds to it becomes part of it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
GENERATED = ROOT / "services" / "gristmill" / "runtime" / "wire" / "generated"
PACKAGE = "gristmill.runtime.wire.generated"
CONTRACT = "contract.binpb"
_BUF = str(Path(sys.executable).with_name("buf"))

Files = Mapping[str, bytes]  # path below the generated folder, with slashes -> content

_INIT = b'"""Generated from protos/ by `make proto`; not for editing."""\n'
_STUBS = "_pb2_grpc.py"
# One file imports another, as in "from gristmill.v1 import document_pb2 as ...", ...
_IMPORT = re.compile(rb"^(from|import) (?=gristmill\b)", re.MULTILINE)
# ... and tells its messages which module they live in, which pickle relies on.
_HOME = re.compile(rb"'(?=gristmill(?:\.\w+)*_pb2')")


def render(protos: Path = PROTOS) -> Files:
    """Return the generated folder as it should be; only a temporary folder is written to."""
    sources = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        kinds = ("python", "pyi", "grpc_python")
        options = (f"--proto_path={protos}", *(f"--{kind}_out={scratch}" for kind in kinds))
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *sources], check=True)
        files = {
            path: _rehome(content)
            for path, content in read(Path(scratch)).items()
            if not path.endswith(_STUBS) or re.search(rb"^class \w+Stub\b", content, re.MULTILINE)
        }
    folders = {parent.as_posix() for path in files for parent in Path(path).parents}
    return files | {(Path(folder) / "__init__.py").as_posix(): _INIT for folder in folders}


def read(folder: Path) -> Files:
    """Return what the folder holds, bytecode aside; a folder that does not exist holds nothing."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def check(generated: Path = GENERATED, protos: Path = PROTOS) -> list[str]:
    """Return a line for every file that is not what protos/ would give; [] when none is."""
    held, fresh = read(generated), render(protos)
    return [
        *(f"{path}: missing" for path in sorted(fresh.keys() - held.keys())),
        *(f"{path}: comes from no proto" for path in sorted(held.keys() - fresh.keys())),
        *(
            f"{path}: differs"
            for path in sorted(fresh.keys() & held.keys())
            if fresh[path] != held[path]
        ),
    ]


def write(generated: Path = GENERATED, protos: Path = PROTOS) -> None:
    """Make the folder what protos/ gives: files that come from no proto are deleted."""
    fresh = render(protos)
    for path in read(generated).keys() - fresh.keys():
        (generated / path).unlink()
    for path, content in fresh.items():
        (generated / path).parent.mkdir(parents=True, exist_ok=True)
        (generated / path).write_bytes(content)


def broken(protos: Path = PROTOS) -> list[str]:
    """Return a line for everything in protos/ that breaks the contract."""
    if not (protos / CONTRACT).exists():
        return []
    command = (_BUF, "breaking", str(protos), "--against", str(protos / CONTRACT))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if done.returncode]


def contract(protos: Path = PROTOS) -> bytes:
    """Return the contract that protos/ gives."""
    command = (_BUF, "build", str(protos), "--exclude-source-info", "-o", "-#format=binpb")
    return subprocess.run(command, capture_output=True, check=True).stdout


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Generate the Python code of protos/.")
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit with 1 if the generated code is not what protos/ gives",
    )
    check_only = parser.parse_args(arguments).check
    try:
        if problems := broken():
            lines = "".join(f"  {line}\n" for line in problems)
            sys.stderr.write(f"protos/ breaks the contract that others rely on:\n{lines}")
            return 1
        if not check_only:
            write()
            (PROTOS / CONTRACT).write_bytes(contract())
            return 0
        stale = check()
        if not (PROTOS / CONTRACT).exists() or (PROTOS / CONTRACT).read_bytes() != contract():
            stale.append(f"{CONTRACT}: differs")
    except subprocess.CalledProcessError:
        sys.stderr.write("protoc failed on protos/; its messages stand above\n")
        return 1
    if stale:
        where = GENERATED.relative_to(ROOT).as_posix()
        lines = "".join(f"  {line}\n" for line in stale)
        sys.stderr.write(f"{where} is not what protos/ gives; run `make proto`:\n{lines}")
    return 1 if stale else 0


def _rehome(content: bytes) -> bytes:
    """Put the package of the generated code before every module name in it."""
    package = PACKAGE.encode()
    return _HOME.sub(rb"'" + package + rb".", _IMPORT.sub(rb"\1 " + package + rb".", content))


if __name__ == "__main__":
    raise SystemExit(main())
