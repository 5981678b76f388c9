"""The share of what was read grows to one with what lies there, not with what it unpacks to."""

import zipfile
from pathlib import Path

from gristmill.cli.source_progress import Reading
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import LocalSource, Selection

LIMITS = ArchiveLimits(
    max_member_bytes=1 << 20, max_ratio=1000, free_bytes=1 << 20, free_members=1000
)


def test_an_archive_counts_as_it_lies_there_and_the_whole_is_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(50):
                archive.writestr(f"{number}.py", b"x = 1\n" * 2_000)
    reading = Reading(
        [
            LocalSource(str(tmp_path / name), selection=Selection(), limits=LIMITS, rules=())
            for name in ("a", "b")
        ]
    )
    shares = [(entry.origin.path, reading.share) for entry in reading.entries()]
    assert [share for _, share in shares] == sorted(share for _, share in shares)
    assert shares[0][1] < 0.1
    assert 0.25 <= shares[49][1] <= 0.5 <= shares[50][1] < 0.6
    assert reading.share == 1.0


def test_where_there_is_nothing_to_read_nothing_is_left() -> None:
    assert Reading([]).share == 0.0
