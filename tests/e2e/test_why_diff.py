"""`why` shows what a near-duplicate and the document kept do not share, or says why it cannot."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.reading import equal, open_tables

CHANGED = "    changed = compute(value_30, 'something else')\n"


def text(name: str) -> str:
    """Forty statements that no other name's text shares."""
    body = "".join(f"    {name}_{n} = {name}_call_{n}(value_{n}, '{name}')\n" for n in range(40))
    return f"def {name}():\n{body}    return {name}_39\n"


def near(name: str) -> str:
    """The same but for one statement."""
    lines = text(name).splitlines(keepends=True)
    return "".join([*lines[:31], CHANGED, *lines[32:]])


def tar_of(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content.encode())
            archive.addfile(about, io.BytesIO(content.encode()))
    return buffer.getvalue()


def zip_of(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def members(name: str) -> dict[str, str]:
    """A near-duplicate between members that the run's patterns leave out."""
    return {
        "docs/one.py": text("left_out"),
        f"{name}_other.py": text(f"{name}_other"),
        "docs/two.py": text("left_out"),
        f"{name}_near.py": near(name),
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sources") / "project"
    (root / "kept").mkdir(parents=True)
    names = (
        "plain", "tarred", "zipped", "latin", "control", "windows", "endless", "same", "touched",
        "removed", "forgotten",
    )  # fmt: skip
    for name in names:
        content = text(name).rstrip("\n") if name == "endless" else text(name)
        (root / "kept" / f"{name}.py").write_text(content)
        if name not in {"tarred", "zipped"}:
            (root / f"{name}_near.py").write_text(near(name))
    (root / "tarred.tar.gz").write_bytes(tar_of(members("tarred")))
    (root / "zipped.zip").write_bytes(zip_of(members("zipped")))
    (root / "latin_near.py").write_bytes(
        near("latin").replace("something else", "größer, länger, höher").encode("latin-1")
    )
    evil = near("control").replace("something else", "\x1b[2J\x1b[31m [red]x[/red]")
    (root / "control_near.py").write_text(evil)
    (root / "windows_near.py").write_bytes(near("windows").replace("\n", "\r\n").encode())
    (root / "same_near.py").write_bytes(b"\xef\xbb\xbf" + text("same").encode())
    return root


@pytest.fixture(scope="module")
def out(mill: Any, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and what befell its source and its tables since."""
    out = tmp_path_factory.mktemp("out") / "out"
    # What is kept comes first, in a source of its own.
    patterns = ("--exclude", "docs/", "--exclude", "/kept/")
    told = mill.run(project / "kept", project, "--out", out, "--workers", "1", *patterns)
    assert told["dropped"]["near_duplicate"] == 11
    (project / "removed_near.py").unlink()
    (project / "touched_near.py").write_text(near("touched") + "# changed since\n")
    open_tables(str(out)).load("files").delete(equal("path", "forgotten.py"))
    return out


Diff = tuple[list[str], dict[str, Any]]
REPOSITORIES = ("project", "tarred.tar.gz", "zipped.zip")


@pytest.fixture(scope="module")
def diff_of(mill: Any, out: Path) -> Callable[[str], Diff]:
    """What `why` shows of a near-duplicate to a person, and tells a machine."""
    diffs: dict[str, Diff] = {}
    for repository in REPOSITORIES:
        question = ("why", out, "--repository", repository)
        shown = mill(*question)
        assert shown.code == 0
        assert "\x1b" not in shown.out
        documents = mill(*question, "--json").told["documents"]
        blocks = shown.out.lstrip("\n").split("\n\n")
        for block, document in zip(blocks, documents, strict=True):
            assert block.startswith(f"{repository}  {document['path']}\n")
            is_near = document["reason"] == "near_duplicate"
            assert is_near == ("diff" in document) == ("% alike" in block)
            lines = block.partition("% alike")[2].splitlines()[1:]
            diffs[document["path"]] = ([line[4:] for line in lines], document)
    return lambda name: diffs[f"{name}_near.py"]


def changes(lines: list[str]) -> list[str]:
    return [line for line in lines[2:] if line[0] in "-+\\"]


def dropped_line(name: str) -> str:
    return f"-    {name}_30 = {name}_call_30(value_30, '{name}')"


def test_of_a_plain_file(mill: Any, out: Path, diff_of: Any) -> None:
    shown, document = diff_of("plain")
    assert shown == [
        "--- kept: kept plain.py",
        "+++ dropped: project plain_near.py",
        "@@ -29,7 +29,7 @@",
        *(f"     plain_{n} = plain_call_{n}(value_{n}, 'plain')" for n in (27, 28, 29)),
        dropped_line("plain"),
        f"+{CHANGED[:-1]}",
        *(f"     plain_{n} = plain_call_{n}(value_{n}, 'plain')" for n in (31, 32, 33)),
    ]
    assert document["diff"] == "".join(f"{line}\n" for line in shown)
    assert document["diff_unavailable"] is None
    similarity = document["decisions"][-1]["similarity"]
    assert 0.8 < similarity < 1
    human = mill("why", out, "--path", "plain_near.py", "--diff-lines", "4").out
    assert f", about {100 * similarity:.0f} % alike" in human
    assert human.endswith("and 7 more lines; --diff-lines 0 shows all\n")


@pytest.mark.parametrize(
    ("name", "repository"), [("tarred", "tarred.tar.gz"), ("zipped", "zipped.zip")]
)
def test_of_a_member_among_others_that_were_left_out(
    diff_of: Any, name: str, repository: str
) -> None:
    shown, document = diff_of(name)
    assert document["position"]["offset"] & 0xFFFFFFFF == 1
    assert shown[1] == f"+++ dropped: {repository} {name}_near.py"
    assert changes(shown) == [dropped_line(name), f"+{CHANGED[:-1]}"]


def test_of_a_file_in_another_encoding(diff_of: Any) -> None:
    shown, document = diff_of("latin")
    assert changes(shown)[1] == "+    changed = compute(value_30, 'größer, länger, höher')"
    assert "größer, länger, höher" in document["diff"]


def test_of_a_text_that_would_steer_the_terminal(diff_of: Any) -> None:
    shown, document = diff_of("control")
    evil = r"+    changed = compute(value_30, '\x1b[2J\x1b[31m [red]x[/red]')"
    assert changes(shown)[1] == evil
    assert "\x1b[2J" in document["diff"]


def test_of_a_file_with_other_line_ends(diff_of: Any) -> None:
    shown, document = diff_of("windows")
    added = [line for line in document["diff"].split("\n")[2:] if line.startswith("+")]
    assert len(added) == 42
    assert all(line.endswith("\r") for line in added)
    assert shown[3:5] == ["-def windows():", r"-    windows_0 = windows_call_0(value_0, 'windows')"]
    assert shown[-1] == "and 27 more lines; --diff-lines 0 shows all"


def test_of_a_kept_text_without_a_last_newline(diff_of: Any) -> None:
    shown, _ = diff_of("endless")
    last = "    return endless_39"
    assert changes(shown)[2:] == [f"-{last}", r"\ No newline at end of file", f"+{last}"]


def test_of_equal_texts_whose_bytes_differ(diff_of: Any) -> None:
    shown, document = diff_of("same")
    assert "both texts are equal" in shown[0]
    assert (document["diff"], document["diff_unavailable"]) == ("", None)


@pytest.mark.parametrize("name", ["touched", "removed"])
def test_a_source_that_changed_or_is_gone_is_named(diff_of: Any, name: str) -> None:
    (line,), document = diff_of(name)
    reason = "the dropped text cannot be read again: its source is gone or has changed"
    assert line == f"no diff: {reason}"
    assert (document["diff"], document["diff_unavailable"]) == (None, reason)


def test_a_kept_document_that_was_taken_down_is_named(diff_of: Any) -> None:
    (line,), document = diff_of("forgotten")
    assert line == "no diff: the document kept is not in the tables any more"
    assert document["diff"] is None


def test_a_kept_document_has_no_diff(mill: Any, out: Path) -> None:
    shown = mill("why", out, "--path", "plain.py")
    assert shown.out.startswith("\nkept  plain.py\n")
    assert "---" not in shown.out


def test_without_the_source_the_rest_is_still_told(mill: Any, out: Path, project: Path) -> None:
    moved = project.with_name("moved")
    os.rename(project, moved)
    try:
        shown = mill("why", out, "--path", "plain_near.py")
    finally:
        os.rename(moved, project)
    assert shown.code == 0
    assert "near_duplicate" in shown.out
    assert "no diff: the dropped text cannot be read again" in shown.out
