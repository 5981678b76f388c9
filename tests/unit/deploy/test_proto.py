"""The generated code is what protos/ gives, and a change to it is seen."""

import importlib.util
import shutil
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "local" / "proto.py"
DOCUMENT = "gristmill/v1/document_pb2.py"


@pytest.fixture(scope="module")
def proto() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deploy_local_proto", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(proto: ModuleType, tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(proto.GENERATED, tmp_path / "generated", ignore=ignored))


def test_the_generated_code_is_up_to_date(proto: ModuleType) -> None:
    assert proto.check() == []


def test_each_way_to_be_stale_is_reported_and_writing_mends_it(
    proto: ModuleType, copy: Path
) -> None:
    (copy / DOCUMENT).write_bytes((copy / DOCUMENT).read_bytes() + b"# altered\n")
    (copy / "gristmill/v1/raw_file_pb2.pyi").unlink()
    (copy / "gristmill/v1/old_pb2.py").write_bytes(b"")
    assert proto.check(copy) == [
        "gristmill/v1/raw_file_pb2.pyi: missing",
        "gristmill/v1/old_pb2.py: comes from no proto",
        f"{DOCUMENT}: differs",
    ]
    proto.write(copy)
    assert proto.check(copy) == []


def test_the_message_names_the_target_that_mends_it(
    proto: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proto, "check", lambda: [f"{DOCUMENT}: differs"])
    assert proto.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "make proto" in message
    assert f"{DOCUMENT}: differs" in message


def test_every_file_imports_from_where_it_lies(proto: ModuleType) -> None:
    files = proto.read(proto.GENERATED)
    astray = [path for path, content in files.items() if b"from gristmill.v1" in content]
    assert astray == []
    assert b"gristmill/v1/document.proto" in files[DOCUMENT]


# --- the contract ---------------------------------------------------------------------------------


@pytest.fixture
def protos(proto: ModuleType, tmp_path: Path) -> Path:
    return Path(shutil.copytree(proto.PROTOS, tmp_path / "protos"))


def _edit(protos: Path, name: str, old: str, new: str) -> None:
    path = protos / "gristmill" / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("v1/verdict.proto", "  string content = 2;\n", "", 'field "2" with name "content"'),
        ("v1/verdict.proto", "string content = 2", "bytes content = 2", "changed type"),
        ("v1/verdict.proto", "string content = 2", "string content = 4", '"2"'),
        ("syntax/v1/syntax.proto", "rpc Parse(", "rpc Read(", '"Parse"'),
    ],
    ids=["removed", "other type", "other number", "renamed rpc"],
)
def test_what_breaks_the_contract_is_refused(
    proto: ModuleType,
    protos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: str,
    new: str,
    told: str,
) -> None:
    agreed = (protos / proto.CONTRACT).read_bytes()
    _edit(protos, name, old, new)
    monkeypatch.setattr(proto, "broken", partial(proto.broken, protos))
    for arguments in (["--check"], []):
        assert proto.main(arguments) == 1
        assert told in capsys.readouterr().err
    assert (protos / proto.CONTRACT).read_bytes() == agreed


def test_what_adds_to_the_contract_is_no_breach_and_becomes_part_of_it(
    proto: ModuleType, protos: Path
) -> None:
    agreed = proto.contract(protos)
    assert agreed == (protos / proto.CONTRACT).read_bytes()
    added = "string content = 2;\n  // New.\n  string fresh = 9;"
    _edit(protos, "v1/verdict.proto", "string content = 2;", added)
    assert proto.broken(protos) == []
    assert proto.contract(protos) != agreed
