"""The ingestion stage: from a raw file to a document, or to its reason."""

import codecs
from dataclasses import fields, replace

import pytest

from gristmill.ingestion.settings import IngestionSettings
from gristmill.ingestion.stage import PLUGIN, IngestionStage
from gristmill.runtime.model import (
    Drop,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Position,
    RawFile,
    Reason,
)
from gristmill.runtime.model.document import sha256_hex

CODE = b"def area(width, height):\r\n    return width * height\r\n"


def raw(content: bytes = CODE, path: str = "src/area.py") -> RawFile:
    return RawFile(
        origin=Origin(source="s", repository="host/owner/name", path=path, revision="r1"),
        position=Position(source="listing", offset=7 << 32),
        size_bytes=len(content),
        content=content,
        content_sha256=sha256_hex(content),
    )


def faulty(fault: Reason, path: str = "src/area.py", detail: str = "") -> RawFile:
    return replace(raw(path=path), content=None, content_sha256="", fault=fault, detail=detail)


def decide(file: RawFile, settings: IngestionSettings | None = None) -> Outcome:
    (outcome,) = IngestionStage(settings or IngestionSettings()).process([file])
    return outcome


def test_a_kept_file_becomes_a_document_of_the_same_identity() -> None:
    file = raw()
    outcome = decide(file)
    assert isinstance(outcome, Keep)
    document = outcome.document
    assert document.id == file.id
    assert document.kind is Kind.FILE
    assert (document.origin, document.position) == (file.origin, file.position)
    assert (document.content_sha256, document.size_bytes) == (file.content_sha256, len(CODE))
    assert document.body == FileText(content=CODE.decode(), encoding="utf-8")


def test_the_hash_is_of_the_original_bytes_whatever_the_encoding() -> None:
    content = codecs.BOM_UTF16_LE + "x = 'é'\n".encode("utf-16-le")
    outcome = decide(raw(content))
    assert isinstance(outcome, Keep)
    assert outcome.document.content_sha256 == sha256_hex(content)
    assert outcome.document.body == FileText(content="x = 'é'\n", encoding="utf-16")
    assert outcome.document.size_bytes == len(content)


@pytest.mark.parametrize(
    ("reason", "content", "path"),
    [
        (Reason.VENDORED, CODE, "node_modules/a/b.js"),
        (Reason.LOCK_FILE, b"{}\n", "package-lock.json"),
        (Reason.TOO_LARGE, b"x = 1\n" * 200_000, "a.py"),
        (Reason.BINARY, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "logo.py"),
        (Reason.UNDECODABLE, codecs.BOM_UTF8 + b"caf\xe9", "a.py"),
        (Reason.EMPTY, b"", "src/__init__.py"),
        (Reason.EMPTY, b" \n\t\n", "a.py"),
        (Reason.EMPTY, codecs.BOM_UTF8, "a.py"),
        (Reason.MINIFIED, b"f(a,b);" * 500, "a.js"),
        (Reason.GENERATED, b"# @generated\n" + CODE, "a.py"),
        (Reason.DATA_FILE, b"1,2,3\n" * 10, "a.csv"),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else None,
)
def test_each_rule_of_ingestion_drops_for_its_reason(
    reason: Reason, content: bytes, path: str
) -> None:
    assert decide(raw(content, path)) == Drop(reason)


@pytest.mark.parametrize(
    "fault",
    [
        Reason.TOO_LARGE,
        Reason.NOT_A_FILE,
        Reason.UNREADABLE,
        Reason.UNSAFE_MEMBER,
        Reason.ARCHIVE_LIMIT,
    ],
)
def test_a_fault_of_the_source_is_the_reason_with_its_detail(fault: Reason) -> None:
    outcome = decide(faulty(fault, detail="as the source said"))
    assert isinstance(outcome, Drop)
    assert outcome.reason is fault
    assert outcome.evidence.detail == "as the source said"


def test_the_path_is_judged_before_the_fault() -> None:
    assert decide(faulty(Reason.TOO_LARGE, "node_modules/a.js")) == Drop(Reason.VENDORED)


def test_no_path_is_too_odd_to_be_judged() -> None:
    for path in ("", "/", "a//b.py", "\\xff\\xfe.py", "ü" * 5000, "..", "a.py/"):
        assert isinstance(decide(raw(path=path)), Keep)


def test_the_switches_reach_the_rules() -> None:
    vendored = raw(path="vendor/a.py")
    generated = raw(b"# @generated\n" + CODE)
    assert isinstance(decide(vendored, IngestionSettings(drop_vendored=False)), Keep)
    assert isinstance(decide(generated, IngestionSettings(drop_generated=False)), Keep)


@pytest.mark.parametrize("name", [field.name for field in fields(IngestionSettings)])
def test_the_version_changes_with_every_setting(name: str) -> None:
    default = IngestionSettings()
    value = getattr(default, name)
    changed = not value if isinstance(value, bool) else value / 2
    other = replace(default, **{name: changed})
    assert IngestionStage(other).version != IngestionStage(default).version
    assert IngestionStage(replace(default)).version == IngestionStage(default).version


def test_the_plugin_builds_the_stage() -> None:
    assert PLUGIN.name == "ingestion"
    assert not PLUGIN.stateful
    assert PLUGIN.build is not None
    assert isinstance(PLUGIN.build(PLUGIN.settings()), IngestionStage)
