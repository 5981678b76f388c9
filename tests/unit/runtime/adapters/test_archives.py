"""An archive gives up its good members and says what was wrong with the rest; it never raises."""

import bz2
import gzip
import io
import lzma
import random
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from gristmill.runtime.adapters.archives import (
    TAR_SUFFIXES,
    ArchiveLimits,
    Member,
    is_archive,
    read_members,
)
from gristmill.runtime.model import Reason

KIB, MIB = 1 << 10, 1 << 20
LIMITS = ArchiveLimits(
    max_member_bytes=MIB, max_ratio=200, free_bytes=64 << 20, free_members=20_000
)
FILES = {f"src/part{number}.py": b"value = %d\n" % number * 20 for number in range(4)}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".tgz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".txz": lzma.compress,
    ".zst": zstandard.compress,
    ".tzst": zstandard.compress,
    ".bz2": bz2.compress,
    ".tbz2": bz2.compress,
}


def tar_of(files: Mapping[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content, method)
    return buffer.getvalue()


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def pax_member(records: bytes, following: bytes) -> bytes:
    return header("pax", tarfile.XHDTYPE, len(records)) + padded(records) + following


END = bytes(2 * tarfile.BLOCKSIZE)
GOOD = header("good.py", tarfile.REGTYPE, 6) + padded(b"x = 1\n")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Member]]:
    def read_archive(name: str, data: bytes, limits: ArchiveLimits = LIMITS) -> list[Member]:
        path = tmp_path / name
        path.write_bytes(data)
        return list(read_members(bytes(path), limits))

    return read_archive


Read = Callable[..., list[Member]]


def contents(members: list[Member]) -> dict[str | None, bytes | None]:
    return {member.name: member.content for member in members}


def assert_nothing_lost_silently(members: list[Member], files: Mapping[str, bytes]) -> None:
    """All is true or the last record says of the archive that it is not; what lacks has a fault.

    A compressed stream has its checksum at the end, when its members have been given.
    """
    assert all(member.name is not None for member in members[:-1])
    if members and members[-1].name is None:
        assert members[-1].fault is not None
        return
    given = [member.content for member in members if member.fault is None]
    assert all(content in files.values() for content in given)
    assert len(members) == len(files)


# --- good archives --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", TAR_SUFFIXES)
def test_every_kind_of_tar_gives_the_same_members(read: Read, suffix: str) -> None:
    compress = COMPRESS[suffix if suffix == ".tar" else suffix.removeprefix(".tar")]
    assert contents(read("a" + suffix, compress(tar_of(FILES)))) == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_gives_the_same_members(read: Read, method: int) -> None:
    assert contents(read("a.zip", zip_of(FILES, method))) == FILES


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_long_and_foreign_names_come_through_in_every_tar_format(
    read: Read, tar_format: int
) -> None:
    files = {"d/" * 40 + "é" * 20 + ".py": b"x = 1\n"}
    assert contents(read("a.tar", tar_of(files, tar_format))) == files


def test_names_are_archives_by_their_ending_in_any_case() -> None:
    assert is_archive(b"dist/A.TAR.GZ")
    assert is_archive(b"a.Zip")
    assert not is_archive(b"a.gz")
    assert not is_archive(b"tar")


def test_directories_are_passed_over(read: Read) -> None:
    assert contents(read("a.tar", header("d/", tarfile.DIRTYPE) + GOOD + END)) == {
        "good.py": b"x = 1\n"
    }
    assert contents(read("a.zip", zip_of({"d/": b"", "d/x.py": b"x"}))) == {"d/x.py": b"x"}


def test_a_zip_entry_named_like_a_directory_that_holds_bytes_is_not_lost(read: Read) -> None:
    data = zip_of({"x.py": b"x = 1\n", "y.py": b"y = 2\n"}).replace(b"x.py", b"x.p/")
    assert [member.name for member in read("a.zip", data)] == ["x.p/", "y.py"]


def test_a_leading_dot_is_no_part_of_a_member_name(read: Read) -> None:
    assert contents(read("a.tar", tar_of({"./x.py": b"x"}))) == {"x.py": b"x"}


def test_several_compressed_streams_in_a_row_are_one(read: Read) -> None:
    data = tar_of(FILES)
    for suffix in (".gz", ".xz", ".zst", ".bz2"):
        compress = COMPRESS[suffix]
        both = compress(data[:1000]) + compress(data[1000:])
        assert contents(read("a.tar" + suffix, both)) == FILES, suffix


def test_padding_between_xz_streams_may_be_long(read: Read) -> None:
    data = tar_of(FILES)
    both = lzma.compress(data[:1000]) + bytes(MIB) + lzma.compress(data[1000:])
    assert contents(read("a.tar.xz", both)) == FILES


def test_names_keep_bytes_that_are_not_utf8(read: Read) -> None:
    info = header("name.py", tarfile.REGTYPE)
    raw = b"na\xffe.py".ljust(100, b"\0") + info[100:148] + b" " * 8 + info[156:]
    raw = raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]
    (member,) = read("a.tar", raw + END)
    assert member.name is not None
    assert member.name.encode("utf-8", "surrogateescape") == b"na\xffe.py"


# --- reasons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        header("../up.py", tarfile.REGTYPE),
        header("a/../../up.py", tarfile.REGTYPE),
        header("/etc/passwd", tarfile.REGTYPE),
        header("link.py", tarfile.SYMTYPE),
        header("hard.py", tarfile.LNKTYPE),
        header("null", tarfile.CHRTYPE),
        header("disk", tarfile.BLKTYPE),
        header("pipe", tarfile.FIFOTYPE),
    ],
    ids=["up", "up inside", "absolute", "symlink", "hardlink", "char", "block", "fifo"],
)
def test_unsafe_member_of_a_tar(read: Read, block: bytes) -> None:
    bad, good = read("a.tar", block + GOOD + END)
    assert bad.fault is Reason.UNSAFE_MEMBER
    assert bad.content is None
    assert bad.detail
    assert good.content == b"x = 1\n"


@pytest.mark.parametrize("name", ["../up.py", "/etc/passwd", "..\\up.py", "a/../../b"])
def test_unsafe_member_of_a_zip_by_name(read: Read, name: str) -> None:
    bad, good = read("a.zip", zip_of({name: b"x", "good.py": b"y"}))
    assert (bad.name, bad.fault) == (name, Reason.UNSAFE_MEMBER)
    assert good.content == b"y"


def test_unsafe_member_of_a_zip_that_is_a_link(read: Read) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (member,) = read("a.zip", buffer.getvalue())
    assert (member.fault, member.detail) == (Reason.UNSAFE_MEMBER, "a link")


@pytest.mark.parametrize(("name", "pack"), [("a.tar", tar_of), ("a.zip", zip_of)])
def test_too_large_member_is_listed_and_not_read(
    read: Read, name: str, pack: Callable[[Mapping[str, bytes]], bytes]
) -> None:
    limits = replace(LIMITS, max_member_bytes=10)
    files = {"exact.py": b"0123456789", "more.py": b"0123456789a", "good.py": b"x"}
    exact, more, good = read(name, pack(files), limits)
    assert exact.content == b"0123456789"
    assert (more.fault, more.size_bytes, more.content) == (Reason.TOO_LARGE, 11, None)
    assert good.content == b"x"


def test_unreadable_member_of_an_encrypted_zip(read: Read) -> None:
    data = bytearray(zip_of({"secret.py": b"x", "good.py": b"y"}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    secret, good = read("a.zip", bytes(data))
    assert (secret.fault, secret.detail) == (Reason.UNREADABLE, "encrypted")
    assert good.content == b"y"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unreadable_member_of_a_method_that_unpacks_without_limit(read: Read, method: int) -> None:
    (member,) = read("a.zip", zip_of({"x.py": b"x"}, method))
    assert (member.fault, member.detail) == (Reason.UNREADABLE, "neither stored nor deflated")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".zip"])
@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"not an archive at all\n" * 100])
def test_unreadable_when_it_is_no_archive_at_all(read: Read, suffix: str, data: bytes) -> None:
    (member,) = read("a" + suffix, data)
    assert (member.name, member.fault) == (None, Reason.UNREADABLE)
    assert member.detail


def test_unreadable_when_it_has_vanished(tmp_path: Path) -> None:
    (member,) = read_members(bytes(tmp_path / "gone.tar"), LIMITS)
    assert (member.name, member.fault) == (None, Reason.UNREADABLE)


def test_not_a_file_when_a_directory_has_taken_its_place(tmp_path: Path) -> None:
    (member,) = read_members(bytes(tmp_path), LIMITS)
    assert (member.name, member.fault) == (None, Reason.NOT_A_FILE)


def test_a_link_that_has_taken_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.tar").write_bytes(tar_of(FILES))
    (tmp_path / "a.tar").symlink_to("real.tar")
    (member,) = read_members(bytes(tmp_path / "a.tar"), LIMITS)
    assert member.name is None
    assert member.fault is not None


# --- broken archives ------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [0xFF, 0x01, 0x20])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tar.gz", COMPRESS[".gz"](tar_of(FILES))),
        ("a.tar.xz", COMPRESS[".xz"](tar_of(FILES))),
        ("a.tar.bz2", COMPRESS[".bz2"](tar_of(FILES))),
        ("a.zip", zip_of(FILES)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_wrong_byte_anywhere_loses_nothing_silently(
    read: Read, name: str, data: bytes, change: int
) -> None:
    for at in range(0, len(data), 10):
        broken = bytearray(data)
        broken[at] ^= change
        assert_nothing_lost_silently(read(name, bytes(broken)), FILES)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tar.gz", COMPRESS[".gz"](tar_of(FILES))),
        ("a.tar.xz", COMPRESS[".xz"](tar_of(FILES))),
        ("a.tar.bz2", COMPRESS[".bz2"](tar_of(FILES))),
        ("a.tar.zst", COMPRESS[".zst"](tar_of(FILES))),
        ("a.zip", zip_of(FILES)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_archive_cut_anywhere_loses_nothing_silently(read: Read, name: str, data: bytes) -> None:
    for end in range(0, len(data), 7):
        members = read(name, data[:end])
        assert_nothing_lost_silently(members, FILES)
        assert members[-1].name is None


def test_a_plain_tar_cut_at_any_block_loses_nothing_silently(read: Read) -> None:
    data = tar_of(FILES)
    for end in range(0, len(FILES) * 1024 + 512, 128):
        assert_nothing_lost_silently(read("a.tar", data[:end]), FILES)


def test_a_member_that_breaks_off_is_counted_behind_the_good_ones(read: Read) -> None:
    *good, last = read("a.tar", GOOD + header("cut.py", tarfile.REGTYPE, 5000) + b"half")
    assert contents(good) == {"good.py": b"x = 1\n"}
    assert (last.name, last.fault) == (None, Reason.UNREADABLE)


def test_a_broken_header_in_the_middle_is_not_taken_for_the_end(read: Read) -> None:
    first, last = read("a.tar", GOOD + b"\xff" * 512 + GOOD + END)
    assert first.content == b"x = 1\n"
    assert (last.name, last.fault) == (None, Reason.UNREADABLE)


def test_zeros_over_a_header_in_the_middle_are_not_taken_for_the_end(read: Read) -> None:
    first, last = read("a.tar", GOOD + bytes(512) + GOOD + END)
    assert first.content == b"x = 1\n"
    assert (last.name, last.fault) == (None, Reason.UNREADABLE)


def test_a_broken_member_of_a_zip_costs_that_member(read: Read) -> None:
    data = zip_of({"a.py": b"first\n", "b.py": b"second\n"}, zipfile.ZIP_STORED)
    bad, good = read("a.zip", data.replace(b"first", b"f1rst"))
    assert (bad.name, bad.fault) == ("a.py", Reason.UNREADABLE)
    assert good.content == b"second\n"


def test_a_negative_size_is_no_reason_to_read_everything(read: Read) -> None:
    records = b"11 size=-5\n"
    (member,) = read("a.tar", pax_member(records, GOOD) + END)
    assert (member.name, member.fault) == (None, Reason.UNREADABLE)


def test_random_changes_never_raise(read: Read) -> None:
    chance = random.Random(4)
    sparse = "./GNUSparseFile.0/s.py"
    seeds = {
        "a.tar": tar_of({**FILES, "n" * 150: b"x"}, tarfile.GNU_FORMAT) + GOOD,
        "b.tar": tar_of({**FILES, "n" * 150: b"x", sparse: b"1\n0\n1\n"}, tarfile.PAX_FORMAT),
        "a.zip": zip_of(FILES),
    }
    for name, seed in seeds.items():
        for _ in range(150):
            data = bytearray(seed)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(data))
                data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
            read(name, bytes(data))


# --- hostile archives -----------------------------------------------------------------------------


def test_a_chain_of_long_name_headers_ends_the_archive(read: Read) -> None:
    long_name = header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + padded(b"x\0")
    *good, last = read("a.tar", GOOD + long_name * 5000 + GOOD + END)
    assert contents(good) == {"good.py": b"x = 1\n"}
    assert last.name is None
    assert last.fault in {Reason.UNREADABLE, Reason.ARCHIVE_LIMIT}


def test_archive_limit_for_a_giant_pax_header(read: Read) -> None:
    records = b"%d comment=" % (2 * MIB) + b"x" * (2 * MIB - 17) + b"\n"
    (member,) = read("a.tar", pax_member(records, GOOD) + END)
    assert (member.name, member.fault) == (None, Reason.ARCHIVE_LIMIT)


@pytest.mark.parametrize(
    "records",
    [b"2 " * 50_000 + b"=", b"%d comment=" % 500_000 + b"1" * 499_984 + b"\n", b"1" * 500_000],
    ids=["overlapping records", "a long number", "nothing but digits"],
)
def test_a_pax_header_made_to_be_slow_is_refused(read: Read, records: bytes) -> None:
    (member,) = read("a.tar", pax_member(records, GOOD) + END)
    assert (member.name, member.fault) == (None, Reason.UNREADABLE)


def test_global_pax_headers_do_not_pile_up(read: Read) -> None:
    blocks = []
    for number in range(500):
        records = b"".join(b"14 k%07d=v\n" % (number * 100 + at) for at in range(100))
        blocks.append(header("pax", tarfile.XGLTYPE, len(records)) + padded(records) + GOOD)
    assert len(read("a.tar", b"".join(blocks) + END)) == 500


def test_a_sparse_member_is_read_with_its_holes(read: Read) -> None:
    (member,) = read("a.tar", sparse_member([(1000, 6)], 2000, b"x = 1\n") + END)
    assert member.content == bytes(1000) + b"x = 1\n" + bytes(994)


def test_unreadable_sparse_member_of_too_many_parts(read: Read) -> None:
    parts = [(2 * at + 2, 1) for at in range(500)]
    sparse = sparse_member(parts, 2000, b"x" * 500)
    bad, good = read("a.tar", sparse + GOOD + END)
    assert (bad.fault, bad.detail) == (Reason.UNREADABLE, "a sparse file in too many parts")
    assert good.content == b"x = 1\n"


def test_archive_limit_for_sparse_members_that_are_all_hole(read: Read) -> None:
    limits = replace(LIMITS, free_bytes=4 * MIB, max_ratio=1)
    members = read("a.tar", sparse_member([(10, 1)], MIB, b"x") * 20 + END, limits)
    assert [member.fault for member in members] == [None] * 3 + [Reason.ARCHIVE_LIMIT]


def test_archive_limit_for_a_sparse_map_without_end(read: Read) -> None:
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    parts = b"99999999\n" + b"1\n" * MIB
    member = header("s.py", tarfile.REGTYPE, len(parts)) + padded(parts)
    (last,) = read("a.tar", pax_member(records, member))
    assert (last.name, last.fault) == (None, Reason.ARCHIVE_LIMIT)


def sparse_member(parts: list[tuple[int, int]], real_size: int, data: bytes) -> bytes:
    """Return a member in the old GNU way: four parts in the header, 21 in each block behind it."""
    raw = bytearray(header("s.py", tarfile.GNUTYPE_SPARSE, len(data)))
    raw[345:500] = bytes(155)

    def packed(some: list[tuple[int, int]], room: int) -> bytes:
        return b"".join(b"%011o\0%011o\0" % part for part in some).ljust(24 * room, b"\0")

    blocks = [parts[at : at + 21] for at in range(4, len(parts), 21)]
    raw[386:482] = packed(parts[:4], 4)
    raw[482] = bool(blocks)
    raw[483:495] = b"%011o\0" % real_size
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    more = b"".join(
        packed(block, 21) + bytes([number < len(blocks)]) + bytes(7)
        for number, block in enumerate(blocks, 1)
    )
    return bytes(raw) + more + padded(data)


def test_archive_limit_for_a_gzip_bomb(read: Read) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    parts = [compressor.compress(header("zero.py", tarfile.REGTYPE, 1 << 33))]
    parts += [compressor.compress(zeros) for _ in range(100)]
    (member, last) = read("a.tar.gz", b"".join(parts) + compressor.flush())
    assert member.fault is Reason.TOO_LARGE
    assert (last.name, last.fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_zeros_without_end_behind_the_end_mark(read: Read) -> None:
    data = gzip.compress(GOOD + END + bytes(100 * MIB), 1)
    good, last = read("a.tar.gz", data)
    assert good.content == b"x = 1\n"
    assert (last.name, last.fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_an_xz_that_wants_a_gibibyte_of_memory(read: Read) -> None:
    data = bytearray(lzma.compress(GOOD + END, check=lzma.CHECK_NONE))
    # The block header: size, flags, filter id 0x21, one byte of properties: the dictionary's size.
    at = 12
    size = (data[at] + 1) * 4
    assert data[at + 2 : at + 4] == b"\x21\x01"
    data[at + 4] = 36  # 2 ** (36 / 2 + 12) bytes
    checksum = zlib.crc32(data[at : at + size - 4])
    data[at + size - 4 : at + size] = struct.pack("<I", checksum)
    (member,) = read("a.tar.xz", bytes(data))
    assert (member.name, member.fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_a_zstd_with_a_huge_window(read: Read) -> None:
    # Magic, a frame header without single segment, the window descriptor: 2 ** (10 + 21) bytes.
    data = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
    (member,) = read("a.tar.zst", data)
    assert (member.name, member.fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_a_zip_bomb(read: Read) -> None:
    data = zip_of({f"{number}.py": bytes(MIB) for number in range(70)})
    members = read("a.zip", data)
    assert len(data) < MIB // 4
    assert len(members) == 65
    assert (members[-1].name, members[-1].fault) == (None, Reason.ARCHIVE_LIMIT)


def overlapping_zip(copies: int, content: bytes) -> bytes:
    """Return a zip in which many entries of the directory point to one stream."""
    one = zip_of({"a.py": content})
    start = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    directory = one[start:end] * copies
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, len(directory), start, 0)
    return one[:start] + directory + tail


def test_archive_limit_for_a_zip_whose_entries_share_one_stream(read: Read) -> None:
    (member,) = read("a.zip", overlapping_zip(50_000, bytes(MIB)))
    assert (member.name, member.fault) == (None, Reason.ARCHIVE_LIMIT)
    assert member.detail == "its members share bytes"


def test_archive_limit_counts_members_with_a_wrong_checksum_too(read: Read) -> None:
    data = bytearray(zip_of({f"{number}.py": bytes(MIB) for number in range(70)}))
    for entry in re.finditer(rb"PK\x01\x02", bytes(data)):
        data[entry.start() + 16] ^= 1
    members = read("a.zip", bytes(data))
    assert members[0].fault is Reason.UNREADABLE
    assert (members[-1].name, members[-1].fault) == (None, Reason.ARCHIVE_LIMIT)
    assert len(members) <= 65


def test_a_zip_that_belittles_its_sizes_gives_nothing_false(read: Read) -> None:
    content = bytes(50 * KIB)
    data = zip_of({"a.py": content}).replace(struct.pack("<L", len(content)), struct.pack("<L", 9))
    (member,) = read("a.zip", data)
    assert (member.name, member.fault) == ("a.py", Reason.UNREADABLE)


def test_archive_limit_for_a_zip_with_a_huge_directory(read: Read) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[0] * 18) + b"n"
    directory = entry * (17 * MIB // len(entry))
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, len(directory), 0, 0)
    (member,) = read("a.zip", directory + tail)
    assert (member.name, member.fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_too_many_members(read: Read) -> None:
    limits = replace(LIMITS, free_members=300)
    data = gzip.compress(header("empty.py", tarfile.REGTYPE) * 2000 + END)
    members = read("a.tar.gz", data, limits)
    allowed = limits.members_allowed(len(data))
    assert len(members) == allowed + 1 < 400
    assert (members[-1].name, members[-1].fault) == (None, Reason.ARCHIVE_LIMIT)


def test_archive_limit_for_two_hundred_thousand_empty_members(tmp_path: Path) -> None:
    path = tmp_path / "many.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        block = header("empty.py", tarfile.REGTYPE) * 2000
        for _ in range(100):
            stream.write(block)
    count = 0
    last: Member | None = None
    for last in read_members(bytes(path), LIMITS):  # noqa: B007  # the last one is what we want
        count += 1
    assert last is not None
    assert (last.name, last.fault) == (None, Reason.ARCHIVE_LIMIT)
    assert 20_000 < count < 30_000
