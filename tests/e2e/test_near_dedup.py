"""Near-duplicates from the command line: what falls, on what evidence, and that it never wavers.

Ten small projects, read in one order, hold versions of files, copies and files that only look
alike. Whatever the workers, batches, kills and runs in parts, the verdicts are the same.
"""

import base64
import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import lmdb
import pytest

from gristmill.cli.reading import open_tables, scan

KeptIds = Callable[[Path], list[str]]
Row = tuple[Any, ...]

NOUNS = ("grain", "stone", "wheel", "sieve", "flour", "sack", "race", "hopper", "bolter", "shoe")
VERBS = ("weigh", "grind", "dress", "lift", "sift", "store", "feed", "turn")
CHANGED = "return rounded(total.weight, total.sound, limit, rows[0], rows[1], sacks)"
LICENCE = "".join(
    f"{line}\n"
    for line in (
        "# Copyright the millers of the lower valley.",
        "#",
        "# Permission to grind, sift and sell is granted, free of charge, to any person who comes",
        "# with grain of his own, provided that this notice is carved above the door of the mill,",
        "# that the miller is given the twelfth part, and that the stones are dressed each spring.",
        "#",
        "# THE FLOUR IS PROVIDED AS IT IS, WITHOUT WARRANTY OF ANY KIND: THE MILLER IS NOT LIABLE",
        "# FOR STONES IN THE BREAD, WEEVILS IN THE SACK, OR ANY OTHER DAMAGE THAT COMES OF BAKING.",
        "",
    )
)


# --- sources --------------------------------------------------------------------------------------


def python(seed: int, num_functions: int = 4) -> str:
    """A module that no other seed's is like."""
    chance = random.Random(seed)
    parts = [f'"""Part {seed} of the mill."""\n\nimport math\n']
    for number in range(num_functions):
        verb, noun = chance.choice(VERBS), chance.choice(NOUNS)
        parts.append(
            f"\n\ndef {verb}_{noun}_{number}({noun}, limit={chance.randrange(1000)}):\n"
            f'    """{verb.title()} the {noun} {seed} times, {chance.randrange(1000)} at most."""\n'
            f"    if {noun}.{chance.choice(VERBS)}_{chance.randrange(1000)} > limit:\n"
            f"        raise ValueError(f'{{{noun}!r}} cannot {verb} by {chance.randrange(1000)}')\n"
            f"    total = {chance.randrange(100)} * math.floor({noun}.at[{chance.randrange(9)}])\n"
            f"    return max(total, {noun}.{chance.choice(NOUNS)}_{seed})\n"
        )
    return "".join(parts)


def javascript(seed: int) -> str:
    """The same in another language."""
    chance = random.Random(seed)
    parts = [f"// Part {seed} of the mill.\n"]
    for number in range(4):
        verb, noun = chance.choice(VERBS), chance.choice(NOUNS)
        parts.append(
            f"\nfunction {verb}{noun.title()}{number}({noun}, limit) {{\n"
            f"  if ({noun}.{chance.choice(VERBS)}{chance.randrange(1000)} > limit) {{\n"
            f"    throw new RangeError(`${{{noun}}} cannot {verb} by {chance.randrange(1000)}`);\n"
            f"  }}\n"
            f"  const total = {chance.randrange(100)} * {noun}.rows[{chance.randrange(9)}];\n"
            f"  return Math.max(total, {noun}.{chance.choice(NOUNS)}{seed});\n}}\n"
        )
    return "".join(parts)


def recipe(seed: int) -> str:
    """Statements that are Python as well as Ruby."""
    chance = random.Random(seed)
    return "".join(
        f'{chance.choice(NOUNS)}_{n} = {chance.choice(VERBS)}({chance.randrange(99)}, "step {n}")\n'
        for n in range(20)
    )


def next_version(text: str, *functions: int) -> str:
    """The same but for the last line of some functions."""
    lines = text.splitlines(keepends=True)
    ends = [at for at, line in enumerate(lines) if re.match(r"\s+return |\w+_19 = ", line)]
    for function in functions or (1 % len(ends),):
        at = ends[function]
        changed = CHANGED if "return" in lines[at] else 'flour_19 = store(flour_18, "done")'
        lines[at] = lines[at][: len(lines[at]) - len(lines[at].lstrip())] + changed + "\n"
    return "".join(lines)


def zipped(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


LONG = python(5, num_functions=12)
PARTS: Mapping[str, Mapping[str, str | bytes]] = {
    "mill": {
        **{f"{name}.py": python(n) for n, name in enumerate(("grain", "stone", "wheel", "sieve"))},
        "long.py": LONG,
        "web/flour.js": javascript(1),
        "web/sack.js": javascript(2),
    },
    "mill-2": {
        "grain.py": next_version(python(0)),
        "stone.py": python(1),
        "web/flour.js": next_version(javascript(1)),
    },
    "licensed": {f"gear_{n}.py": LICENCE + python(20 + n) for n in range(6)},
    "recipes": {"bread.py": recipe(1)},
    "other-tongues": {
        "bread.rb": next_version(recipe(1)),
        "sack.ts": next_version(javascript(2)),
    },
    "boxed": {
        "box.zip": zipped(
            {
                "lib/hopper.py": python(6),
                "lib/hopper_copy.py": next_version(python(6)),
                "lib/wheel.py": next_version(python(2)),
            }
        )
    },
    "versions": {
        "v1.py": python(7),
        "v2.py": next_version(python(7), 0),
        "v3.py": next_version(python(7), 2),
    },
    "short": {"a.py": "x = 1\n", "b.py": "x = 1\n", "c.py": "y = 2\n"},
    "mill-3": {"long.py": LONG.replace("Part 5 of", "Piece 5 of")},
    "late": {"bolter.py": python(8), "sieve.py": next_version(python(3), 3)},
}
EXTRA: Mapping[str, str | bytes] = {
    "fresh.py": python(9),
    "grain.py": next_version(python(0), 3),
    "v2.py": next_version(python(7), 0),
    "web/flour.js": javascript(1),
}
# Which kept document each near-duplicate is dropped for, as (repository, path).
MATCHES = {
    ("mill-2", "grain.py"): ("mill", "grain.py"),
    ("mill-2", "web/flour.js"): ("mill", "web/flour.js"),
    ("other-tongues", "sack.ts"): ("mill", "web/sack.js"),
    ("box.zip", "lib/hopper_copy.py"): ("box.zip", "lib/hopper.py"),
    ("box.zip", "lib/wheel.py"): ("mill", "wheel.py"),
    ("versions", "v2.py"): ("versions", "v1.py"),
    ("versions", "v3.py"): ("versions", "v1.py"),
    ("mill-3", "long.py"): ("mill", "long.py"),
    ("late", "sieve.py"): ("mill", "sieve.py"),
}
EXTRA_MATCHES = {
    ("extra", "grain.py"): ("mill", "grain.py"),
    ("extra", "v2.py"): ("versions", "v1.py"),
}
EXACT = {("mill-2", "stone.py"): ("mill", "stone.py"), ("short", "b.py"): ("short", "a.py")}
NUM_DOCUMENTS, NUM_KEPT = 31, 20


def texts() -> dict[tuple[str, str], str]:
    """Every text by repository and path."""
    found = {}
    for repository, files in {**PARTS, "extra": EXTRA}.items():
        for path, content in files.items():
            if isinstance(content, str):
                found[repository, path] = content
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                found |= {(path, name): archive.read(name).decode() for name in archive.namelist()}
    return found


def jaccard(one: str, other: str) -> float:
    first, second = (
        {tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4)}
        for tokens in (re.findall(r"\w+|[^\w\s]", text, re.ASCII) for text in (one, other))
    )
    return len(first & second) / len(first | second) if first and second else 0.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    for repository, files in {**PARTS, "extra": EXTRA}.items():
        for path, content in files.items():
            where = root / repository / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.fixture(scope="module")
def parts(root: Path) -> list[Path]:
    """The ten projects, in the order in which they are read."""
    assert len(PARTS) == 10
    return [root / name for name in PARTS]


# --- commands, and what they leave ----------------------------------------------------------------

# `NAME=value` before a command holds for it alone; `mv A B` stands for itself.
ONE_AFTER_THE_OTHER = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from gristmill.cli.main import main

def give(words):
    if words[0] == "mv":
        os.rename(*words[1:])
        return 0
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        return end.code or 0

ended = []
for words in json.loads(sys.argv.pop(1)):
    before = dict(os.environ)
    while "=" in words[0]:
        name, _, os.environ[name] = words.pop(0).partition("=")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = give(words)
    os.environ.clear()
    os.environ.update(before)
    for stream in (out, err):
        stream.flush()
    ended.append([code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()])
print(json.dumps(ended))
"""
KILLED_AT_A_COMMIT = """
import os, signal, sys
from gristmill.cli.main import main
from gristmill.shards.writer import TableWriter

left = [int(sys.argv.pop(1))]
write_ledger = TableWriter._write_ledger

def die(self, batch, decided_at):
    left[0] -= 1
    if left[0] == 0:
        os.killpg(0, signal.SIGKILL)
    write_ledger(self, batch, decided_at)

TableWriter._write_ledger = die
main()
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended in a process that went on."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return told


def one_after_the_other(*commands: Sequence[str | Path]) -> list[Ended]:
    """Give several commands in one process, which spares most of their time."""
    arguments = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        (sys.executable, "-c", ONE_AFTER_THE_OTHER, arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    ended = [Ended(*one) for one in json.loads(done.stdout)]
    assert len(ended) == len(commands)
    return ended


@dataclass(frozen=True)
class Verdicts:
    """What a directory holds: kept ids, and who was dropped for whom at what similarity."""

    kept_ids: list[str]
    ledger: list[Row]

    def of(self, *repositories: str) -> list[Row]:
        return [row for row in self.ledger if row[0] in repositories]


COLUMNS = (
    "repository", "path", "document_id", "stage", "outcome", "reason", "matched_id", "similarity",
    "language", "version", "position_source", "position_offset",
)  # fmt: skip


@pytest.fixture(scope="session")
def verdicts_in(kept_ids: KeptIds) -> Callable[[Path], Verdicts]:
    def read(out: Path) -> Verdicts:
        rows = scan(open_tables(str(out)), "ledger", COLUMNS).to_pylist()
        return Verdicts(
            kept_ids(out), sorted((tuple(row[name] for name in COLUMNS) for row in rows), key=repr)
        )

    return read


VerdictsIn = Callable[[Path], Verdicts]


@dataclass(frozen=True)
class Whole:
    """One run over all ten, and then one over the extra one, undisturbed."""

    out: Path
    told: dict[str, Any]
    verdicts: Verdicts
    after_extra: Verdicts
    answers: Mapping[str, Ended]


@pytest.fixture(scope="module")
def whole(
    mill: Any,
    root: Path,
    parts: list[Path],
    verdicts_in: VerdictsIn,
    tmp_path_factory: pytest.TempPathFactory,
) -> Whole:
    out = tmp_path_factory.mktemp("whole") / "out"
    told = mill.run(*parts, "--out", out, "--workers", "1")
    verdicts = verdicts_in(out)
    long = root / "mill-3" / "long.py"
    audit, plan = ("dedup", "audit", out), ("plan", "dedup", "--like", out)
    commands: dict[str, Sequence[str | Path]] = {
        "extra": ("run", root / "extra", "--out", out, "--workers", "1", "--json"),
        "audit": audit,
        "audit --json": (*audit, "--json"),
        "audit at 0.95": (*audit, "--threshold", "0.95", "--json"),
        "gone": ("mv", long, root / "away"),
        "audit of what is left": (*audit, "--json"),
        "back": ("mv", root / "away", long),
        **{f"why {name}": ("why", out, "--repository", name, "--json") for name in REPOSITORIES},
        "plan": (*plan, "--documents", "1e5"),
        "plan --json": (*plan, "--documents", "1e7", "--memory", "0.5", "--json"),
        "plan like nothing": ("plan", "dedup", "--like", root),
    }
    ended = one_after_the_other(*commands.values())
    assert not any(one.code for one in ended[:-1]), [one.err for one in ended]
    answers = dict(zip(commands, ended, strict=True))
    return Whole(out, told, verdicts, verdicts_in(out), answers)


REPOSITORIES = (*(name for name in PARTS if name != "boxed"), "box.zip", "extra")


@dataclass(frozen=True)
class InParts:
    """The ten one after the other into one directory, whose index was then lost and rebuilt."""

    out: Path
    verdicts: Verdicts
    refused: Ended
    rebuilt: Ended
    extra: Ended
    after_extra: Verdicts


@pytest.fixture(scope="module")
def in_parts(
    root: Path,
    parts: list[Path],
    verdicts_in: VerdictsIn,
    tmp_path_factory: pytest.TempPathFactory,
) -> InParts:
    directory = tmp_path_factory.mktemp("in-parts")
    out, index = directory / "out", directory / "out" / "index"
    flags = ("--out", out, "--workers", "1", "--json")
    ended = one_after_the_other(*(("run", part, *flags) for part in parts))
    assert not any(one.code for one in ended), [one.err for one in ended]
    verdicts = verdicts_in(out)
    make_older(index)
    refused, _, rebuilt, extra = one_after_the_other(
        ("run", root / "extra", *flags),
        ("mv", index, directory / "lost"),
        ("dedup", "rebuild", out),
        ("run", root / "extra", *flags),
    )
    return InParts(out, verdicts, refused, rebuilt, extra, verdicts_in(out))


def make_older(index: Path) -> None:
    """Let an index say that it is of the format before."""
    with (
        lmdb.open(str(index), map_size=1 << 28, max_dbs=4) as environment,
        environment.begin(write=True) as transaction,
    ):
        meta = environment.open_db(b"meta", txn=transaction)
        about = json.loads(transaction.get(b"about", db=meta))
        about["format"] -= 1
        transaction.put(b"about", json.dumps(about).encode(), db=meta)


@dataclass(frozen=True)
class Otherwise:
    """Runs over the ten with other workers, batches and thresholds, by name."""

    ended: Mapping[str, Ended]
    verdicts: Mapping[str, Verdicts]


PACES = {"two by one": ("2", "1"), "four by seven": ("4", "7")}
STRICT = "GRISTMILL_DEDUP_THRESHOLD=0.95"


@pytest.fixture(scope="module")
def otherwise(
    parts: list[Path], verdicts_in: VerdictsIn, tmp_path_factory: pytest.TempPathFactory
) -> Otherwise:
    outs = tmp_path_factory.mktemp("otherwise")
    run = ("run", *parts, "--json", "--workers")
    commands: dict[str, Sequence[str | Path]] = {
        pace: (f"GRISTMILL_RUN_BATCH_DOCUMENTS={batch}", *run, workers, "--out", outs / pace)
        for pace, (workers, batch) in PACES.items()
    }
    commands |= {
        "strict": (STRICT, *run, "1", "--out", outs / "strict"),
        "before": (*run, "1", "--out", outs / "changed"),
        "changed": (STRICT, *run, "1", "--out", outs / "changed"),
        "again": (STRICT, *run, "1", "--out", outs / "changed"),
    }
    ended = one_after_the_other(*commands.values())
    assert not any(one.code for one in ended), [one.err for one in ended]
    names = (*PACES, "strict", "changed")
    return Otherwise(
        dict(zip(commands, ended, strict=True)), {name: verdicts_in(outs / name) for name in names}
    )


# --- verdicts and their evidence ------------------------------------------------------------------


def test_a_run_counts_near_duplicates_beside_exact_ones(whole: Whole) -> None:
    assert whole.told["documents"] == NUM_DOCUMENTS
    assert whole.told["dropped"] == {
        "exact_duplicate": len(EXACT),
        "near_duplicate": len(MATCHES),
    }
    assert whole.told["kept"] == whole.told["tables"]["files"]["rows"] == NUM_KEPT


def documents(answers: Mapping[str, Ended], repositories: Iterable[str]) -> dict[Any, Any]:
    return {
        (document["repository"], document["path"]): document
        for name in repositories
        for document in answers[f"why {name}"].told["documents"]
    }


def test_why_names_the_document_that_a_near_duplicate_is_like_and_how_much(whole: Whole) -> None:
    told, text = documents(whole.answers, REPOSITORIES), texts()
    near = {name for name, one in told.items() if one["reason"] == "near_duplicate"}
    assert near == {*MATCHES, *EXTRA_MATCHES}
    for name, match in {**MATCHES, **EXTRA_MATCHES}.items():
        decision = told[name]["decisions"][-1]
        matched = decision["matched"]
        assert (matched["repository"], matched["path"]) == match
        assert matched["document_id"] == told[match]["document_id"]
        assert told[match]["status"] == "kept"
        assert 0.7 <= decision["similarity"] <= 1
        assert decision["similarity"] * 112 == pytest.approx(round(decision["similarity"] * 112))
        assert decision["similarity"] == pytest.approx(jaccard(text[name], text[match]), abs=0.12)


def test_copies_are_exact_duplicates_of_the_kept_one_whatever_their_language(whole: Whole) -> None:
    told = documents(whole.answers, REPOSITORIES)
    exact = {
        name: one["decisions"][-1]
        for name, one in told.items()
        if one["reason"] == "exact_duplicate"
    }
    assert set(exact) == {*EXACT, ("extra", "web/flour.js")}
    for name, match in {**EXACT, ("extra", "web/flour.js"): ("mill", "web/flour.js")}.items():
        assert exact[name]["similarity"] == 1
        assert exact[name]["matched"]["document_id"] == told[match]["document_id"]


def test_files_that_share_no_more_than_a_header_are_all_kept(whole: Whole) -> None:
    told = documents(whole.answers, ["licensed"])
    assert len(told) == 6
    assert {one["status"] for one in told.values()} == {"kept"}
    shared = [jaccard(one, other) for one, other in combinations(PARTS["licensed"].values(), 2)]
    assert min(shared) > 0.2


def test_a_near_copy_in_another_language_is_kept(whole: Whole) -> None:
    told = documents(whole.answers, ["recipes", "other-tongues"])
    assert told["recipes", "bread.py"]["status"] == "kept"
    assert told["other-tongues", "bread.rb"]["status"] == "kept"
    assert told["other-tongues", "bread.rb"]["language"] == "Ruby"
    assert jaccard(texts()["recipes", "bread.py"], texts()["other-tongues", "bread.rb"]) > 0.9


# --- audit ----------------------------------------------------------------------------------------


def test_an_audit_finds_no_wrong_drop_and_nothing_missed(whole: Whole) -> None:
    told = whole.answers["audit --json"].told
    assert (told["texts"], told["near_drops"]) == (NUM_KEPT + 1 + 10, 10)  # one came twice
    assert (told["exact_drops"], told["exact_wrong"], told["unreadable"]) == (3, 0, 0)
    assert (told["wrong_drops"], told["low_drops"]) == ({}, 0)
    assert told["threshold"] == 0.7
    assert list(told["levels"]) == ["0.7", "0.8", "0.9"]
    for level in told["levels"].values():
        assert (level["missed"], level["missed_by_cause"]) == (0, {})
    assert told["components"]["by_survivors"] == {"1": told["components"]["all"]}
    assert (told["components"]["chained"], told["components"]["unheld"]) == (0, 0)


def test_an_audit_counts_the_pairs_that_there_are_at_every_level(whole: Whole) -> None:
    families = {".py": "python", ".js": "javascript", ".ts": "javascript", ".rb": "ruby"}
    by_content = {
        text: (name, families[name[1][-3:]]) for name, text in reversed(list(texts().items()))
    }
    assert len(by_content) == NUM_KEPT + 1 + 10
    alike = [
        (jaccard(one, other), by_content[one][1] == by_content[other][1])
        for one, other in combinations(by_content, 2)
    ]
    for name, level in whole.answers["audit --json"].told["levels"].items():
        assert level["pairs"] == sum(s >= float(name) and inside for s, inside in alike) > 0
        across = sum(s >= float(name) and not inside for s, inside in alike)
        assert level["missed_across_domains"] == across == 1


def test_an_audit_at_another_threshold_calls_drops_low(whole: Whole) -> None:
    told = whole.answers["audit at 0.95"].told
    assert (told["threshold"], list(told["levels"])) == (0.95, ["0.95"])
    assert (told["wrong_drops"], told["low_drops"]) == ({}, 9)  # all but the long one


def test_an_audit_is_drawn_for_people(whole: Whole) -> None:
    lines = whole.answers["audit"].out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1] == (
        "10 near-duplicates, each content once, against 31 texts; "
        "3 exact duplicates, 0 of them wrong"
    )
    (wrong,) = (line for line in lines if "wrong drops, nothing alike by 0.6" in line)
    assert wrong.endswith("0.000% (0 of 10)")
    (survivor,) = (line for line in lines if "one survivor" in line)
    assert "█" * 24 in survivor
    assert not any("gone from their source" in line for line in lines)


def test_an_audit_counts_dropped_texts_whose_source_file_is_gone(whole: Whole) -> None:
    told = whole.answers["audit of what is left"].told
    assert (told["unreadable"], told["near_drops"]) == (1, 9)
    assert told["wrong_drops"] == {}


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pace", PACES)
def test_verdicts_do_not_depend_on_workers_and_batches(
    whole: Whole, otherwise: Otherwise, pace: str
) -> None:
    assert otherwise.verdicts[pace] == whole.verdicts
    assert otherwise.ended[pace].told["dropped"] == whole.told["dropped"]


def test_ten_runs_into_one_directory_are_one_run(whole: Whole, in_parts: InParts) -> None:
    assert in_parts.verdicts == whole.verdicts
    reasons = Counter(row[COLUMNS.index("reason")] for row in in_parts.verdicts.ledger)
    assert reasons["near_duplicate"] == len(MATCHES)


def test_a_kill_of_the_whole_tree_in_the_middle_changes_no_verdict(
    mill: Any, parts: list[Path], whole: Whole, verdicts_in: VerdictsIn, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    often = {"GRISTMILL_RUN_BATCH_DOCUMENTS": "3", "GRISTMILL_RUN_COMMIT_BYTES": "1"}
    command = ("run", *map(str, parts), "--out", str(out), "--workers", "2")
    killed = subprocess.run(
        (sys.executable, "-c", KILLED_AT_A_COMMIT, "4", *command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **often},
        start_new_session=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    written = scan(open_tables(str(out)), "files", ["document_id"]).num_rows
    assert 0 < written < NUM_KEPT
    mill.with_environment(**often).run(*parts, "--out", out, "--workers", "2")
    assert verdicts_in(out) == whole.verdicts


# --- the index ------------------------------------------------------------------------------------


def test_an_index_of_an_older_format_is_refused_with_the_cure(in_parts: InParts) -> None:
    assert in_parts.refused.code == 2
    assert in_parts.refused.err == (
        "gristmill: the dedup index was written by another version of gristmill; "
        f"`gristmill dedup rebuild {in_parts.out}` makes it anew from the tables\n"
    )


def test_a_rebuilt_index_drops_a_near_duplicate_of_what_was_kept_before(
    whole: Whole, in_parts: InParts
) -> None:
    assert in_parts.rebuilt.code == 0
    assert f"holds {NUM_KEPT} documents" in in_parts.rebuilt.err
    assert in_parts.extra.code == 0, in_parts.extra.err
    assert in_parts.extra.told["new"] == 1
    assert in_parts.extra.told["dropped"] == {"exact_duplicate": 1, "near_duplicate": 2}
    ids = {(row[0], row[1]): row[2] for row in in_parts.after_extra.ledger}
    matched = {
        (row[0], row[1]): row[COLUMNS.index("matched_id")]
        for row in in_parts.after_extra.of("extra")
        if row[COLUMNS.index("reason")] == "near_duplicate"
    }
    assert matched == {name: ids[match] for name, match in EXTRA_MATCHES.items()}


def test_a_rebuilt_index_judges_as_the_one_that_was_never_lost(
    whole: Whole, in_parts: InParts
) -> None:
    assert in_parts.after_extra.of("extra") == whole.after_extra.of("extra") != []
    assert in_parts.after_extra == whole.after_extra


# --- settings -------------------------------------------------------------------------------------


def test_a_higher_threshold_keeps_more(whole: Whole, otherwise: Otherwise) -> None:
    told = otherwise.ended["strict"].told
    assert told["dropped"] == {"exact_duplicate": len(EXACT), "near_duplicate": 1}
    assert told["kept"] == NUM_KEPT + len(MATCHES) - 1
    assert set(whole.verdicts.kept_ids) < set(otherwise.verdicts["strict"].kept_ids)


def test_under_another_threshold_what_was_dropped_is_judged_anew(otherwise: Otherwise) -> None:
    before, changed, again = (otherwise.ended[name] for name in ("before", "changed", "again"))
    assert "settings have changed" in changed.err
    assert "settings have changed" not in before.err + again.err
    assert changed.told["dropped"] == {
        "exact_duplicate": len(EXACT),
        "near_duplicate": 1,
        "resubmitted": before.told["kept"],
    }
    assert changed.told["new"] == changed.told["kept"] == len(MATCHES) - 1
    assert again.told["new"] == 0
    verdicts = otherwise.verdicts
    assert verdicts["changed"].kept_ids == verdicts["strict"].kept_ids


# --- plan -----------------------------------------------------------------------------------------


def test_a_plan_tells_what_was_measured_and_extends_it_in_a_straight_line(whole: Whole) -> None:
    told = whole.answers["plan --json"].told
    assert set(told) == {"measured", "kept_share", "domains", "sizes"}
    measured = told["measured"]
    assert set(measured) == {
        "documents", "memory_bytes", "disk_bytes", "admission_cpu_seconds", "open_cpu_seconds",
    }  # fmt: skip
    assert set(measured["memory_bytes"]) == {"records", "band table", "exact table"}
    each = sum(measured["memory_bytes"].values())
    assert 300 < each < 700
    assert [size["documents"] for size in told["sizes"]] == [1e6, 1e7]
    for size in told["sizes"]:
        assert set(size) == {
            "documents", "kept", "memory_bytes", "disk_bytes", "admission_cpu_seconds",
            "open_cpu_seconds", "indexes", "extrapolated",
        }  # fmt: skip
        kept = size["documents"] * told["kept_share"]
        assert size["kept"] == pytest.approx(kept)
        assert size["memory_bytes"] == pytest.approx(kept * each)
        assert size["disk_bytes"] == pytest.approx(kept * measured["disk_bytes"])
        assert size["indexes"] == -(-size["memory_bytes"] // 2**29)
        assert size["extrapolated"] == (kept > measured["documents"]) is True
    small, large = told["sizes"]
    for name in ("kept", "memory_bytes", "disk_bytes", "admission_cpu_seconds", "open_cpu_seconds"):
        assert large[name] == pytest.approx(10 * small[name])
    assert 0 < small["admission_cpu_seconds"] < 1000


def test_a_plan_takes_share_and_domains_from_a_finished_run(whole: Whole) -> None:
    told = whole.answers["plan --json"].told
    assert told["kept_share"] == pytest.approx((NUM_KEPT + 1) / (NUM_DOCUMENTS + len(EXTRA)))
    domains = told["domains"]
    assert list(domains) == ["file/python", "file/javascript", "file/ruby"]
    assert domains["file/python"] == pytest.approx(18 / 21)
    assert sum(domains.values()) == pytest.approx(1)


def test_a_plan_is_drawn_for_people(whole: Whole) -> None:
    lines = whole.answers["plan"].out.splitlines()
    assert max(map(len, lines)) <= 100
    (heads,) = (line for line in lines if line.lstrip().startswith("documents "))
    assert heads.split()[1:] == ["kept", "memory", "disk", "admission", "opening", "indexes"]
    row = lines[lines.index(heads) + 1]
    assert row.split()[:2] == ["1e+05", "6e+04"]
    assert row.endswith(" 1"), "nothing is extrapolated"
    assert "60% of the documents kept" in whole.answers["plan"].out
    (python_share,) = (line for line in lines if line.lstrip().startswith("file/python"))
    assert "█" * 20 in python_share
    assert python_share.endswith("85.7%")


def test_a_plan_like_a_directory_of_no_run_is_refused(whole: Whole, root: Path) -> None:
    refused = whole.answers["plan like nothing"]
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"gristmill: {root} is not the output of a gristmill run\n"


# --- measure --------------------------------------------------------------------------------------


def record(name: str, content: str | bytes, **more: str) -> str:
    written = (
        {"content": content, "encoding": "utf-8"}
        if isinstance(content, str)
        else {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    )
    return json.dumps({"id": name, **written, **more}) + "\n"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled files in two forms, one of them packed, and the pairs that are known."""
    data = tmp_path_factory.mktemp("labelled")
    german = python(42).replace("times", "mal größer, länger, höher als")
    files = [
        record("old", python(40), language="Python", path="a/old.py"),
        record("new", next_version(python(40)), language="Python", path="b/new.py"),
        record("copy", python(40), language="Python"),
        record("other", python(41), path="other.py"),
    ]
    packed = [
        record("utf-8", german, path="words.py"),
        record("latin-1", german.encode("latin-1"), path="words.py"),
        record("binary", bytes(range(256)) * 4, path="blob.py"),
    ]
    (data / "files.jsonl").write_text("".join(files))
    with gzip.open(data / "more.jsonl.gz", "wt") as more:
        more.write("".join(packed))
    pairs = [
        ("old", "new", jaccard(python(40), next_version(python(40)))),
        ("old", "copy", 1.0),
        ("utf-8", "latin-1", 1.0),
        ("old", "other", jaccard(python(40), python(41))),
        ("new", "binary", 0.0),
    ]
    lines = [json.dumps({"a": a, "b": b, "jaccard5": alike}) for a, b, alike in pairs]
    (data / "similar_pairs.jsonl").write_text("\n".join(lines) + "\n")
    return data


@dataclass(frozen=True)
class Measured:
    """What `measure dedup` said."""

    told: Ended
    drawn: Ended
    refused: Sequence[Ended]


@pytest.fixture(scope="module")
def measured(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    directory = tmp_path_factory.mktemp("mislabelled")
    pairs = {
        "without a file": {"a": "old", "b": "nowhere", "jaccard5": 0.9},
        "without a name": {"a": "old", "jaccard5": 0.9},
        "without a number": {"a": "old", "b": "new", "jaccard5": "much"},
    }
    for name, pair in pairs.items():
        (directory / name).mkdir()
        shutil.copy(labelled / "files.jsonl", directory / name)
        (directory / name / "similar_pairs.jsonl").write_text(json.dumps(pair) + "\n")
    measure = ("measure", "dedup", "--data")
    told, drawn, *refused = one_after_the_other(
        (*measure, labelled, "--json"),
        (*measure, labelled),
        *((*measure, directory / name, "--json") for name in (*pairs, "missing")),
    )
    return Measured(told, drawn, refused)


def test_measure_tells_shares_of_labelled_pairs_and_of_the_whole_as_a_run(
    measured: Measured,
) -> None:
    assert (measured.told.code, measured.drawn.code) == (0, 0), measured.told.err
    told = measured.told.told
    figures = {name: (one["numerator"], one["n"]) for name, one in told.items()}
    alike = jaccard(python(40), next_version(python(40)))
    assert 0.8 < alike < 0.9
    assert figures == {
        "pairs_wrong_below_0.6": (0, 2),
        "pairs_found_at_0.8": (3, 3),
        "pairs_found_at_0.9": (2, 2),
        "pairs_equal_found": (1, 1),
        "pairs_unequal_called_equal": (0, 4),
        "run_wrong_below_0.6": (0, 3),
        "run_found_at_0.8": (4, 4),  # the copy and the new one are a pair too
        "run_found_at_0.9": (2, 2),
        "run_copies_removed": (1, 1),
    }
    for one in told.values():
        assert set(one) == {"value", "numerator", "n", "ci95"}
        assert one["value"] == one["numerator"] / one["n"]
        low, high = one["ci95"]
        assert 0 <= low <= one["value"] <= high <= 1
    lines = measured.drawn.out.splitlines()
    assert [line.split()[0] for line in lines] == list(figures)
    assert max(map(len, lines)) <= 100


def test_measure_refuses_a_pair_without_a_file_in_one_line(measured: Measured) -> None:
    assert len(measured.refused) == 4
    for refused in measured.refused:
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("gristmill: ")
        assert refused.err.count("\n") == 1
    assert "a pair without the file or field 'nowhere'" in measured.refused[0].err


def test_a_rebuilt_index_knows_what_a_later_stage_dropped(
    tmp_path: Path, kept_ids: KeptIds
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.py").write_text(
        python(1) + "def broken(: = ]\n" * 30
    )  # kept by dedup, not by syntax
    (source / "b.py").write_text(python(1))
    (source / "c.py").write_text(python(2))
    lost, rebuilt = tmp_path / "untouched", tmp_path / "rebuilt"
    run = ("run", source, "--route", "paper", "--json", "--workers", "1", "--out")
    ended = one_after_the_other(
        (*run, lost, "--limit", "1"), (*run, lost),
        (*run, rebuilt, "--limit", "1"), ("dedup", "rebuild", rebuilt), (*run, rebuilt),
    )  # fmt: skip
    assert [one.code for one in ended] == [0] * 5
    assert ended[1].told["dropped"] == {"near_duplicate": 1, "syntax_errors": 1}
    assert ended[4].told["dropped"] == ended[1].told["dropped"]
    assert kept_ids(rebuilt) == kept_ids(lost)
