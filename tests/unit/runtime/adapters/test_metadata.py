"""What is known of repositories is joined to what is read, and what is not known is said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import ListedSource, Selection, Terms
from gristmill.runtime.adapters.metadata import Metadata, load_metadata
from gristmill.runtime.adapters.sources import open_sources, reopen_source
from gristmill.runtime.model import BadInput, Origin

LIMITS = ArchiveLimits(max_member_bytes=1000, max_ratio=50, free_bytes=1 << 20, free_members=1000)


def metadata_of(path: Path, text: str) -> Metadata:
    file = path / "metadata.jsonl"
    file.write_text(text)
    return load_metadata(str(file))


def completed(metadata: Metadata, repository: str, **given: str) -> Origin:
    return metadata.completed(Origin(source="s", repository=repository, path="a.py", **given))


def test_what_a_line_says_is_added_to_the_origin(tmp_path: Path) -> None:
    metadata = metadata_of(
        tmp_path,
        '{"repository": "kettle-1.0.tar.gz", "name": "example.org/a/kettle", "licence": "MIT",'
        ' "revision": "v1.0", "crawl": "c7", "fetched_at": "2026-01-02T03:04:05Z", "stars": 12}\n'
        '\n{"repository": "two", "license": ["MIT", "Apache-2.0"], "fetched_at": "2026-01-02"}\n',
    )
    assert completed(metadata, "kettle-1.0.tar.gz") == Origin(
        source="s", repository="example.org/a/kettle", path="a.py", licence="MIT", revision="v1.0",
        crawl="c7", fetched_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )  # fmt: skip
    assert completed(metadata, "two").licence == "MIT, Apache-2.0"
    assert completed(metadata, "two").fetched_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_what_the_source_itself_says_stays(tmp_path: Path) -> None:
    metadata = metadata_of(tmp_path, '{"repository": "r", "licence": "MIT", "revision": "v1"}')
    origin = completed(metadata, "r", revision="v2")
    assert (origin.revision, origin.licence) == ("v2", "MIT")


def test_repositories_without_a_line_are_counted_each_once(tmp_path: Path) -> None:
    metadata = metadata_of(tmp_path, '{"repository": "r"}\n{"repository": "unused"}\n')
    assert metadata.report() == ""
    for name in ("r", "a", "a", "b", "r", "c", "d"):
        assert completed(metadata, name).repository == name
    assert metadata.report() == (
        "metadata: of 5 repositories read, 1 have a line and 4 have none (a, b, c, …); "
        "1 lines name no repository that was read"
    )


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "{}", '{"repository": 1}', '{"repository": "r", "licence": 3}',
        '{"repository": "r", "revision": ["x"]}', '{"repository": "r", "fetched_at": "yesterday"}',
        '{"repository": "r", "fetched_at": 12}', '{"repository": "\\ud800"}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_line_that_is_wrong_is_bad_input_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match=r"metadata.jsonl, line 2: not an object on a repository"):
        metadata_of(tmp_path, f'{{"repository": "good"}}\n{line}\n')


def test_lines_that_contradict_one_another_are_bad_input(tmp_path: Path) -> None:
    line = '{"repository": "r", "licence": "MIT"}\n'
    metadata_of(tmp_path, line * 2)
    with pytest.raises(BadInput, match="line 2: says something else of r"):
        metadata_of(tmp_path, line + line.replace("MIT", "GPL"))


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        load_metadata(str(tmp_path / "none.jsonl"))


def source_of(path: Path, metadata: Metadata | None) -> ListedSource:
    terms = Terms(selection=Selection(), limits=LIMITS, rules=("r1",), metadata=metadata)
    (source,) = open_sources([str(path)], terms, git_head=False)
    return source


def test_other_metadata_is_another_source_that_can_be_read_again(tmp_path: Path) -> None:
    root = tmp_path / "kettle"
    root.mkdir()
    (root / "a.py").write_text("a = 1\n")
    lines: Mapping[str, str] = {"MIT": "", "GPL": ""}
    sources = [source_of(root, None)]
    sources += [
        source_of(root, metadata_of(tmp_path, f'{{"repository": "kettle", "licence": "{name}"}}'))
        for name in lines
    ]
    assert len({source.listing.source for source in sources}) == 3
    assert [next(s.entries(0)).origin.licence for s in sources] == ["", "MIT", "GPL"]
    again = reopen_source(list(sources[1].lines()))
    assert again.listing.source == sources[1].listing.source
    assert next(again.entries(0)).location == bytes(root / "a.py")
