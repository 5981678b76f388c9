"""A row of a table is one record, whatever is in it; a table that lies is one more."""

import gzip
import io
import json
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from gristmill.runtime.adapters.archives import ArchiveLimits, open_local
from gristmill.runtime.adapters.listing import ListedSource, Selection, Terms
from gristmill.runtime.adapters.sources import open_sources, reopen_source
from gristmill.runtime.adapters.table_columns import PRESETS, Columns, is_table, parse_mapping
from gristmill.runtime.adapters.table_rows import Row, read_rows
from gristmill.runtime.model import BadInput, Reason

LIMITS = ArchiveLimits(max_member_bytes=1000, max_ratio=50, free_bytes=1 << 20, free_members=1000)
COLUMNS = Columns(content="text", path="name", repository="repo")
Write = Callable[[Path, Sequence[Mapping[str, Any]]], None]


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    parquet.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=3)


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    data = json_lines(rows)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)


FORMS: dict[str, Write] = {
    "t.parquet": write_parquet, "t.jsonl": write_json, "t.ndjson": write_json,
    "t.jsonl.gz": write_json, "t.jsonl.zst": write_json,
}  # fmt: skip
ROWS = [
    {"text": f"x = {n}\n", "name": f"lib/m{n}.py", "repo": f"r{n % 2}", "other": n}
    for n in range(8)
]


def read(path: Path, columns: Columns = COLUMNS, limits: ArchiveLimits = LIMITS) -> list[Row]:
    notes: list[int] = []
    rows = list(
        read_rows(path.name.encode(), columns, limits, notes.append, open_local(bytes(path)))
    )
    assert notes == sorted(notes)
    return rows


def faults(rows: Sequence[Row]) -> dict[str | None, tuple[Reason | None, str]]:
    return {row.path: (row.fault, row.detail) for row in rows if row.fault}


def source_of(path: Path, columns: Columns | None = COLUMNS, **selection: Any) -> ListedSource:
    terms = Terms(selection=Selection(**selection), limits=LIMITS, rules=("r1",), columns=columns)
    (source,) = open_sources([str(path)], terms, git_head=False)
    return source


# --- all forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_row_is_a_document_of_its_repository(tmp_path: Path, form: str) -> None:
    FORMS[form](tmp_path / form, ROWS)
    rows = read(tmp_path / form)
    assert [(row.path, row.repository, row.content) for row in rows] == [
        (row["name"], row["repo"], str(row["text"]).encode()) for row in ROWS
    ]
    assert [row.number for row in rows] == list(range(8))
    assert {row.size_bytes for row in rows} == {6}


@pytest.mark.parametrize("form", FORMS)
def test_the_tail_from_any_offset_is_what_stands_there_and_behind(
    tmp_path: Path, form: str
) -> None:
    FORMS[form](tmp_path / form, ROWS)
    (tmp_path / "z.py").write_text("z = 1\n")
    source = source_of(tmp_path, exclude=("m1.py", "m7.py"))
    entries = list(source.entries(0))
    offsets = [entry.position.offset for entry in entries]
    assert offsets == [0, 2, 3, 4, 5, 6, 1 << 32]
    for start in range(10):
        assert list(source.entries(start)) == [e for e in entries if e.position.offset >= start]
    again = reopen_source(list(source.lines()))
    assert again.listing.source == source.listing.source
    assert [e.content for e in again.entries(3)] == [e.content for e in source.entries(3)]
    assert again.is_unchanged(5)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_without_path_or_repository_is_named_after_its_place(
    tmp_path: Path, form: str
) -> None:
    FORMS[form](tmp_path / form, [{"text": "x", "name": None}, {"text": "y", "name": ""}])
    entries = list(source_of(tmp_path / form, Columns(content="text", path="name")).entries(0))
    assert [(e.origin.repository, e.origin.path) for e in entries] == [
        (form, "row 1"),
        (form, "row 2"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_too_large_and_unreadable_for_what_a_row_lacks(tmp_path: Path, form: str) -> None:
    rows = [
        {"text": "x" * 1001, "name": "large.py"},
        {"text": None, "name": "none.py"},
        {"text": "x", "name": "../up.py"},
        {"text": "x", "name": "n" * 5000},
        {"text": "x" * 1000, "name": "/rooted/just.py"},
        {"text": "", "name": "empty.py"},
    ]
    FORMS[form](tmp_path / form, rows)
    found = read(tmp_path / form, Columns(content="text", path="name"))
    assert faults(found) == {
        "large.py": (Reason.TOO_LARGE, ""),
        "none.py": (Reason.UNREADABLE, "it has no content"),
        "../up.py": (Reason.UNSAFE_MEMBER, "a path that points outside"),
        "row 4": (Reason.UNREADABLE, "its path is longer than 4,096 bytes"),
    }
    assert found[0].size_bytes == 1001
    assert [row.path for row in found if row.content is not None] == ["rooted/just.py", "empty.py"]


@pytest.mark.parametrize("form", FORMS)
def test_empty_for_a_table_without_rows(tmp_path: Path, form: str) -> None:
    if form.endswith("parquet"):
        parquet.write_table(pa.table({"text": pa.array([], pa.string()), "name": [], "repo": []}),
                            tmp_path / form)  # fmt: skip
    else:
        write_json(tmp_path / form, [])
    assert faults(read(tmp_path / form)) == {None: (Reason.EMPTY, "a table without rows")}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_cut_anywhere_gives_good_rows_and_one_fault_at_most(
    tmp_path: Path, form: str
) -> None:
    names = random.Random(7)
    rows = [{**row, "text": f"v = {names.random()}\n"} for row in ROWS * 4]
    path = tmp_path / form
    FORMS[form](path, rows)
    whole, good = path.read_bytes(), [str(row["text"]).encode() for row in rows]
    for length in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        found = read(path)
        contents = [row.content for row in found if row.content is not None]
        assert contents == good[: len(contents)]
        assert len([row for row in found if row.fault]) == (
            1 if len(contents) < len(good) else 0
        ) or form in {"t.jsonl", "t.ndjson"}  # cut between two lines it is whole


@pytest.mark.parametrize("form", FORMS)
def test_a_table_with_any_byte_changed_never_raises(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    FORMS[form](path, ROWS)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        assert read(path)


@pytest.mark.parametrize("form", FORMS)
def test_archive_limit_for_many_rows_of_nothing(tmp_path: Path, form: str) -> None:
    limits = ArchiveLimits(max_member_bytes=1000, max_ratio=50, free_bytes=1 << 20, free_members=5)
    FORMS[form](tmp_path / form, [{"text": "", "name": "", "repo": ""}] * 500)
    found = read(tmp_path / form, limits=limits)
    assert len(found) < 1000
    if form == "t.parquet":  # a line of JSON weighs more than a row has to
        assert found[-1].fault is Reason.ARCHIVE_LIMIT
        assert len(found) == 6


def test_without_a_mapping_tables_are_files(tmp_path: Path) -> None:
    write_json(tmp_path / "t.jsonl", ROWS)
    (entry,) = source_of(tmp_path, None).entries(0)
    assert entry.location == bytes(tmp_path / "t.jsonl")


def test_the_columns_are_part_of_the_identity(tmp_path: Path) -> None:
    write_json(tmp_path / "t.jsonl", ROWS)
    columns = (None, COLUMNS, Columns(content="text"), Columns(content="other", path="name"))
    assert len({source_of(tmp_path, one).listing.source for one in columns}) == 4


# --- columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_column_is_bad_input_that_names_those_there_are(
    tmp_path: Path, form: str
) -> None:
    FORMS[form](tmp_path / form, ROWS)
    with pytest.raises(BadInput, match="has no column body; it has text, name, repo, other"):
        source_of(tmp_path, Columns(content="body"))


def test_a_column_that_comes_up_late_is_a_warning_and_none_before(tmp_path: Path) -> None:
    rows = [{"text": "x = 1\n", "name": f"m{n}.py"} for n in range(1001)]
    write_json(tmp_path / "t.jsonl", [*rows[:1000], {**rows[1000], "repo": "late"}])
    source = source_of(tmp_path / "t.jsonl")
    assert source.listing.warnings == (
        "t.jsonl, in its first 1,000 lines, has no column repo; it has text, name",
    )
    found = [entry.origin.repository for entry in source.entries(0)]
    assert found == ["t.jsonl"] * 1000 + ["late"]
    write_json(tmp_path / "t.jsonl", [*[{"name": "m.py"}] * 1000, *rows])
    with pytest.raises(BadInput, match=r"in its first 1,000 lines, has no column repo or text"):
        source_of(tmp_path / "t.jsonl")


def test_a_line_too_long_to_look_at_may_have_any_column(tmp_path: Path) -> None:
    rows = [{"about": "a list"}, {"more": "x" * (1 << 20), "text": "x = 1\n"}]
    write_json(tmp_path / "t.jsonl", rows)
    source = source_of(tmp_path / "t.jsonl", Columns(content="text"))
    assert [entry.content for entry in source.entries(0)] == [None, b"x = 1\n"]


def test_a_later_table_without_the_column_is_one_record(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", ROWS)
    write_parquet(tmp_path / "b.parquet", [{"else": 1}])
    *_, last = source_of(tmp_path).entries(0)
    assert (last.origin.path, last.fault) == ("b.parquet", Reason.UNREADABLE)
    assert last.detail == "the table has no column name or repo or text; it has else"


def test_a_mapping_without_any_table_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    with pytest.raises(BadInput, match="there is no Parquet or JSON lines file"):
        source_of(tmp_path)


def test_a_mapping_is_read_and_a_preset_may_be_changed() -> None:
    assert parse_mapping([]) is None
    assert parse_mapping(["content=a, path=b", "path=c"]) == Columns(content="a", path="c")
    stack = parse_mapping(["the-stack"])
    assert stack is not None
    assert stack.named() == PRESETS["the-stack"]
    changed = parse_mapping(["the-stack,path=name"])
    assert changed is not None
    assert (changed.path, changed.content) == ("name", "content")


@pytest.mark.parametrize("wrong", ["nonsense", "size=x", "content=", "=x", "path=x", "content"])
def test_a_mapping_that_is_none_is_bad_input(wrong: str) -> None:
    with pytest.raises(BadInput, match="--map"):
        parse_mapping([wrong])


def test_tables_are_known_by_their_names() -> None:
    names = [b"a.parquet", b"A.PARQUET", b"a.jsonl", b"a.ndjson.gz", b"a.jsonl.zst"]
    assert all(map(is_table, names))
    assert not any(map(is_table, [b"a.json", b"a.gz", b"parquet", b"a.jsonl.xz", b"a.csv"]))


# --- Parquet --------------------------------------------------------------------------------------


def parquet_of(folder: Path, **columns: Any) -> list[Row]:
    parquet.write_table(pa.table(columns), folder / "t.parquet", compression="zstd")
    return read(folder / "t.parquet", Columns(**{k: k for k in columns}))


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(6),
        pa.string_view(), pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)  # fmt: skip
def test_text_of_every_type_is_taken_as_bytes(tmp_path: Path, type_: pa.DataType) -> None:
    values = pa.array([b"x = 1\n", None, b"y = 2\n"], pa.binary())
    if pa.types.is_dictionary(type_):
        values = values.cast(pa.string()).cast(type_.value_type).dictionary_encode()
    else:
        values = values.cast(pa.string()).cast(type_) if type_ != pa.binary(6) else pa.array(
            [b"x = 1\n", None, b"y = 2\n"], type_)  # fmt: skip
    rows = parquet_of(tmp_path, content=values)
    assert [row.content for row in rows] == [b"x = 1\n", None, b"y = 2\n"]


def test_binary_content_and_strings_that_are_not_utf8_are_left_to_ingestion(
    tmp_path: Path,
) -> None:
    content = pa.array([b"\xff\xfe\x00", b"caf\xe9"], pa.binary())
    path = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(struct.pack("<3i", 0, 4, 6)), pa.py_buffer(b"\xff.pya\0")],
    )
    rows = parquet_of(tmp_path, content=content, path=path)
    assert [row.content for row in rows] == [b"\xff\xfe\x00", b"caf\xe9"]
    assert [row.path for row in rows] == ["\\xff.py", "a\\x00"]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, 2], pa.int64()), ([1.5, None], pa.float64()), ([[1], [2]], pa.list_(pa.int64())),
        ([{"a": 1}, {"a": 2}], pa.struct([("a", pa.int64())])),
        ([["x"], ["y"]], pa.list_(pa.string())), ([True, False], pa.bool_()),
        ([0, 1], pa.timestamp("ns")), ([1, 2], pa.dictionary(pa.int8(), pa.int64())),
    ],
    ids=str,
)  # fmt: skip
def test_unreadable_for_a_content_that_is_no_text(
    tmp_path: Path, values: list[Any], type_: pa.DataType
) -> None:
    column = pa.array(values, type_)
    rows = parquet_of(tmp_path, content=column)
    assert {row.fault for row in rows} == {Reason.UNREADABLE}
    assert "is not text but" in rows[0].detail
    assert len(rows) == 2


def test_unreadable_for_a_column_of_nulls(tmp_path: Path) -> None:
    rows = parquet_of(tmp_path, content=pa.nulls(2), path=pa.array(["a.py", "b.py"]))
    assert faults(rows) == dict.fromkeys(["a.py", "b.py"], (Reason.UNREADABLE, "it has no content"))


def test_licences_may_be_a_list(tmp_path: Path) -> None:
    licences = pa.array([["MIT", "Apache-2.0"], [], None, ["x"] * 101])
    rows = parquet_of(tmp_path, content=pa.array(["a", "b", "c", "d"]), licence=licences)
    assert [row.licence for row in rows] == ["MIT, Apache-2.0", "", "", ""]
    assert rows[3].detail == "its licence is not text but a list of 101"


def test_archive_limit_for_one_text_that_a_dictionary_sells_again_and_again(
    tmp_path: Path,
) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["x" * 900])
    rows = parquet_of(tmp_path, content=column)
    assert rows[-1].fault is Reason.ARCHIVE_LIMIT
    assert len(rows) <= (1 << 20) // 900 + 1


def test_archive_limit_for_a_row_group_that_says_it_unpacks_to_more(tmp_path: Path) -> None:
    rows = parquet_of(tmp_path, content=pa.array(["x" * 3_000_000, "y"]))
    assert faults(rows) == {None: (Reason.ARCHIVE_LIMIT, "unpacks to more than 1 MiB")}


def test_columns_of_one_name_are_unreadable(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["content", "content"])
    parquet.write_table(table, tmp_path / "t.parquet")
    rows = read(tmp_path / "t.parquet", Columns(content="content"))
    assert [row.fault for row in rows] == [Reason.UNREADABLE]


# --- JSON lines -----------------------------------------------------------------------------------


def lines_of(path: Path, *lines: bytes) -> list[Row]:
    (path / "t.jsonl").write_bytes(b"\n".join(lines))
    return read(path / "t.jsonl", Columns(content="c", path="p", licence="l"))


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b"{", Reason.UNREADABLE, "not a line of JSON"),
        (b"nonsense", Reason.UNREADABLE, "not a line of JSON"),
        (b"[1]", Reason.UNREADABLE, "a line of JSON that is no object"),
        (b'"text"', Reason.UNREADABLE, "a line of JSON that is no object"),
        (b"{}", Reason.UNREADABLE, "it has no content"),
        (b'{"c": null}', Reason.UNREADABLE, "it has no content"),
        (b'{"c": NaN}', Reason.UNREADABLE, "its content is not text but float"),
        (b'{"c": 12}', Reason.UNREADABLE, "its content is not text but int"),
        (b'{"c": ["x"]}', Reason.UNREADABLE, "its content is not text but list"),
        (b'{"c": "x", "p": {}}', Reason.UNREADABLE, "its path is not text but dict"),
        (b'{"c": "\\ud800"}', Reason.UNDECODABLE, "its content holds half of a surrogate pair"),
        (b'{"c": "x", "p": "\\udfff"}', Reason.UNDECODABLE, "its path holds half"),
        (b'{"c": "x", "l": [1]}', Reason.UNREADABLE, "its licence is not text but a list"),
        (b'{"c": "\xff"}', Reason.UNREADABLE, "not a line of JSON"),
        (b'{"c": ' + b"9" * 5000 + b"}", Reason.UNREADABLE, "not a line of JSON"),
        (b"[" * 100_000, Reason.UNREADABLE, "not a line of JSON"),
        (b'{"c": "' + b"x" * (2 << 20) + b'"}', Reason.TOO_LARGE, ""),
    ],
)
def test_a_bad_line_is_one_record_and_its_neighbours_are_read(
    tmp_path: Path, line: bytes, reason: Reason, detail: str
) -> None:
    before, bad, after = lines_of(tmp_path, b'{"c": "1"}', line, b'{"c": "2", "p": "b.py"}')
    assert (before.content, after.content, after.number) == (b"1", b"2", 2)
    assert (bad.number, bad.fault) == (1, reason)
    assert bad.detail.startswith(detail)


def test_of_a_key_that_comes_twice_the_last_one_counts(tmp_path: Path) -> None:
    (row,) = lines_of(tmp_path, b'{"c": "1", "c": "2", "p": "a.py"}')
    assert row.content == b"2"


def test_blank_lines_byte_order_marks_and_ends_of_windows_are_no_rows(tmp_path: Path) -> None:
    rows = lines_of(tmp_path, b'\xef\xbb\xbf{"c": "1"}\r', b"", b"  \t", b'{"c": "2"}\r', b"")
    assert [(row.number, row.content) for row in rows] == [(0, b"1"), (3, b"2")]


@given(
    st.lists(
        st.fixed_dictionaries({"c": st.text(max_size=50), "p": st.text("ab/", max_size=9)}),
        max_size=9,
    )
)
@settings(max_examples=20)
def test_what_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("laws") / "t.jsonl.zst"
    write_json(path, rows)
    found = [row for row in read(path, Columns(content="c", path="p")) if row.path is not None]
    assert [row.content for row in found] == [row["c"].encode() for row in rows]


def test_archive_limit_for_lines_that_unpack_without_end(tmp_path: Path) -> None:
    line = b'{"text": "x"}\n'
    for name, data in (
        ("t.jsonl.gz", gzip.compress(line + b" " * (64 << 20), mtime=0)),
        ("t.jsonl.zst", zstandard.compress(line + b" " * (64 << 20))),
        ("t.jsonl.gz", gzip.compress(line * 500_000, mtime=0)),
        ("t.jsonl.zst", zstandard.compress(line * 500_000)),
    ):
        (tmp_path / name).write_bytes(data)
        rows = read(tmp_path / name, Columns(content="text"))
        assert rows[-1].fault is Reason.ARCHIVE_LIMIT, name
        assert rows[0].content == b"x"


def test_zstd_of_several_frames_is_one_stream(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(b"".join(zstandard.compress(json_lines([row])) for row in ROWS))
    assert len(read(path)) == len(ROWS)


def test_archive_limit_for_a_window_of_zstd_that_is_too_large(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    buffer = io.BytesIO()
    writer = zstandard.ZstdCompressor(compression_params=parameters).stream_writer(
        buffer, closefd=False
    )
    writer.write(json_lines(ROWS))
    writer.close()
    (tmp_path / "t.jsonl.zst").write_bytes(buffer.getvalue())
    assert [row.fault for row in read(tmp_path / "t.jsonl.zst")] == [Reason.ARCHIVE_LIMIT]
