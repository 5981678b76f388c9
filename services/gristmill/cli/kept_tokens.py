"""The tokens of a directory: its ledger says what was kept, `files` holds the texts to count."""

from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.reading import (
    COUNTED,
    accepted_ids,
    both,
    decisions,
    language_by_path,
    one_of,
    open_tables,
    scan,
)
from gristmill.cli.report.flow import route_of
from gristmill.cli.tokens import (
    Counted,
    TokenRatios,
    Tokens,
    highest,
    priority,
    sample_size,
    tokens_of,
)
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.tokenizer import load_tokenizer

LEDGER_COLUMNS = ("stage", "outcome", "document_id", "language", "path", "size_bytes", "source")
"""The ledger's columns that tokens are estimated from."""


def tokens_in(
    tables: IcebergTables,
    ledger: pa.Table,
    route: Sequence[str],
    taken: pa.ChunkedArray | None = None,
) -> Tokens | None:
    """Return the tokens of what the ledger's last stage kept; None where it kept nothing.

    `taken` are the ids that the newest cut accepts, None where there is none. Reads the texts of a
    hundredth of the documents.
    """
    if not route:
        return None
    passed = _named(ledger.filter(pc.equal(ledger["outcome"], "keep")).select(LEDGER_COLUMNS))
    kept = passed.filter(pc.equal(passed["stage"], route[-1]))
    if not kept.num_rows:
        return None
    tokenizer = load_tokenizer()
    sample, bound = _counted(tables, kept, tokenizer.count)
    if not sample:
        return None
    sizes = _sizes(kept)
    ratios = TokenRatios(sample, bound, sizes)
    return Tokens(
        tokenizer=tokenizer.name,
        sampled=len(sample),
        documents=kept.num_rows,
        kept=ratios.estimate(sizes),
        accepted=ratios.estimate(_sizes(_among(kept, taken))),
        by_language={name: ratios.estimate({name: size}) for name, size in sizes.items()},
        stages=_by_stage(passed, route, ratios),
    )


def tokens_of_directory(directory: str) -> Tokens | None:
    """Return the tokens of all that a directory has kept; None where that is nothing."""
    tables = open_tables(directory)
    ledger = decisions(tables, sorted({*COUNTED, *LEDGER_COLUMNS}))
    seen = Counter(ledger["stage"].to_pylist())
    return tokens_in(tables, ledger, route_of(seen) if seen else (), accepted_ids(tables))


def _named(rows: pa.Table) -> pa.Table:
    """Return the rows with a language each: what a stage found, else by the path."""
    languages = rows["language"].combine_chunks()
    unnamed = pc.is_null(languages)
    names = [language_by_path(path) for path in rows["path"].filter(unnamed).to_pylist()]
    named = pc.replace_with_mask(languages, unnamed, pa.array(names, languages.type))
    return rows.set_column(rows.schema.get_field_index("language"), "language", named)


def _counted(
    tables: IcebergTables, kept: pa.Table, count: Callable[[str], int]
) -> tuple[Sequence[Counted], float]:
    """Count the sample's texts; return them and the highest priority that is not among them.

    A text that is not in `files` yet, or not any more, is left out.
    """
    columns = (kept[name].to_pylist() for name in ("document_id", "language", "size_bytes"))
    about = {name: (language, size) for name, language, size in zip(*columns, strict=True) if size}
    ranked = highest((priority(name, size), name) for name, (_, size) in about.items())
    size = sample_size(len(about))
    texts = _texts(tables, kept, [name for _, name in ranked[:size]])
    left_out = (rank for at, (rank, name) in enumerate(ranked) if at >= size or name not in texts)
    counted = [Counted(*about[name], *tokens_of(text, count)) for name, text in texts.items()]
    return counted, next(left_out, 0.0)


def _texts(tables: IcebergTables, kept: pa.Table, names: Sequence[str]) -> dict[str, str]:
    """Return texts by document id; data files of other sources are passed over."""
    sources = pc.unique(kept["source"]).to_pylist()
    where = both(one_of("document_id", names), one_of("source", sources))
    rows = scan(tables, "files", ["document_id", "content"], where)
    columns = (rows[name].to_pylist() for name in ("document_id", "content"))
    return dict(zip(*columns, strict=True))


def _among(kept: pa.Table, taken: pa.ChunkedArray | None) -> pa.Table:
    if taken is None:
        return kept
    return kept.filter(pc.is_in(kept["document_id"], pc.cast(taken, kept["document_id"].type)))


def _sizes(rows: pa.Table) -> dict[str, int]:
    """Return bytes by language, the most first."""
    groups = rows.group_by("language").aggregate([("size_bytes", "sum")]).to_pylist()
    groups.sort(key=lambda row: (-row["size_bytes_sum"], row["language"]))
    return {row["language"]: row["size_bytes_sum"] for row in groups}


def _by_stage(passed: pa.Table, route: Sequence[str], ratios: TokenRatios) -> dict[str, int]:
    return {
        stage: ratios.estimate(_sizes(passed.filter(pc.equal(passed["stage"], stage)))).tokens
        for stage in route
    }
