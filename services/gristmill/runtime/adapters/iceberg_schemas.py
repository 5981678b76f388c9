"""The columns of every table, with a sentence each. Field ids are for ever; new ones go at the end.

`docs/tables.md` is generated from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `required` columns hold no null."""

    name: str
    type: IcebergType
    required: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table: what it is for, its columns, and the order of rows inside a commit."""

    explanation: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    is_fed: bool = True
    """Whether stages feed it, so that it carries a vector of positions."""

    def iceberg_schema(self) -> Schema:
        """Return the schema with field ids from 1 up."""
        return Schema(
            *(
                NestedField(
                    field_id=number,
                    name=column.name,
                    field_type=column.type,
                    required=column.required,
                    doc=column.explanation,
                )
                for number, column in enumerate(self.columns, 1)
            )
        )

    def sort_order(self) -> SortOrder:
        """Return the sort order that other engines read from the table."""
        names = [column.name for column in self.columns]
        return SortOrder(
            *(
                SortField(source_id=names.index(name) + 1, transform=IdentityTransform())
                for name in self.sort_by
            )
        )

    def arrow_schema(self) -> pa.Schema:
        """Return the schema of what is handed to Arrow."""
        return pa.schema(
            [
                pa.field(column.name, _arrow_type(column.type), nullable=not column.required)
                for column in self.columns
            ]
        )


def _arrow_type(type_: IcebergType) -> pa.DataType:
    if isinstance(type_, StringType):
        return pa.large_string()
    if isinstance(type_, LongType):
        return pa.int64()
    if isinstance(type_, DoubleType):
        return pa.float64()
    return pa.timestamp("us", tz="UTC")


_TEXT, _LONG, _DOUBLE, _TIME = StringType(), LongType(), DoubleType(), TimestamptzType()

_FILES = TableDefinition(
    "Kept files, one row each, values as of writing.",
    (
        Column(SEQUENCE, _LONG, True, "commit number x 2^32 + row: a cursor that only grows"),
        Column(
            "document_id", _TEXT, True, "derived from kind, repository, path, revision, content"
        ),
        Column("content", _TEXT, True, "the text, newlines unchanged"),
        Column("content_sha256", _TEXT, True, "of the original bytes, lower-case hex"),
        Column("encoding", _TEXT, True, "what the original bytes were encoded in"),
        Column("source", _TEXT, True, "the source it came from, as it was named"),
        Column("repository", _TEXT, True, "host/owner/name, else the archive's or root's name"),
        Column("path", _TEXT, True, "relative to the source's root, or the archive member's name"),
        Column("revision", _TEXT, False, "the revision, where the source knows one"),
        Column("language", _TEXT, False, "the language found"),
        Column("licence", _TEXT, False, "the licence as found"),
        Column(
            "error_share", _DOUBLE, False, "share of bytes under syntax errors; null: unchecked"
        ),
        Column("score", _DOUBLE, False, "quality from 0 to 1; null until a scorer ran"),
        Column("scorer", _TEXT, False, "which scorer, with its version"),
        Column("tokens", _LONG, False, "number of tokens; null without a tokenizer"),
        Column("fetched_at", _TIME, False, "when it was fetched, where the source knows"),
        Column("checker", _TEXT, False, "who ruled on its syntax; null: unchecked"),
        Column("dialect", _TEXT, False, "the dialect it is well-formed in, as Python 2"),
        Column("readability", _DOUBLE, False, "what the score is made of, 0 to 10"),
        Column("modularity", _DOUBLE, False, "what the score is made of, 0 to 10"),
        Column("clarity", _DOUBLE, False, "what the score is made of, 0 to 10"),
        Column("reusability", _DOUBLE, False, "what the score is made of, 0 to 10"),
        Column("zero_rule", _TEXT, False, "why the score is 0 whatever it is made of"),
    ),
    ("language", "repository"),
)

_LEDGER = TableDefinition(
    "Every decision: one row for each document and stage, kept documents included.",
    (
        Column("document_id", _TEXT, True, "which document"),
        Column("content_sha256", _TEXT, False, "of its original bytes; null if never read"),
        Column("kind", _TEXT, True, "file, repository, commit or web_page"),
        Column("source", _TEXT, True, "the source it came from, as it was named"),
        Column("repository", _TEXT, True, "host/owner/name, else the archive's or root's name"),
        Column("path", _TEXT, True, "relative to the source's root, or the archive member's name"),
        Column("url", _TEXT, False, "the address of a web page"),
        Column("revision", _TEXT, False, "the revision, where the source knows one"),
        Column("stage", _TEXT, True, "which stage decided"),
        Column("outcome", _TEXT, True, "keep, drop, split, reject or dead"),
        Column("reason", _TEXT, False, "the reason code of a drop, reject or death"),
        Column("matched_id", _TEXT, False, "the kept document that a duplicate repeats"),
        Column("similarity", _DOUBLE, False, "to the matched document, 0 to 1"),
        Column("error_share", _DOUBLE, False, "share of bytes under syntax errors"),
        Column("score", _DOUBLE, False, "the figure that was compared, 0 to 1"),
        Column("threshold", _DOUBLE, False, "what it was compared with"),
        Column("version", _TEXT, True, "the rules and settings that decided"),
        Column("decided_at", _TIME, True, "when the decision was written"),
        Column("language", _TEXT, False, "the document's language at that stage"),
        Column("size_bytes", _LONG, True, "its size as delivered"),
        Column("position_source", _TEXT, True, "the delivery: which listing or partition"),
        Column("position_offset", _LONG, True, "the delivery: where in it"),
        Column("detail", _TEXT, False, "a short sentence where there is more to say"),
        Column("checker", _TEXT, False, "who ruled on syntax, or whose parser it was too much for"),
    ),
    ("repository", "path"),
)

_TAKEDOWNS = TableDefinition(
    "Documents that may not be written any more.",
    (
        Column("document_id", _TEXT, False, "which document, or null"),
        Column("content_sha256", _TEXT, False, "which content, wherever it stands, or null"),
        Column("reason", _TEXT, False, "why, in the requester's words"),
        Column("requested_at", _TIME, True, "when the request was accepted"),
    ),
    ("requested_at",),
    is_fed=False,
)

_CUTS = TableDefinition(
    "Cuts: a document is accepted by one when its score reaches the threshold and it is sampled.",
    (
        Column("cut", _TEXT, True, "the cut's name; rows of one name were made together"),
        Column("scorer", _TEXT, True, "whose scores it reads"),
        Column("language", _TEXT, False, "for which language; null: those without a row"),
        Column("category", _TEXT, False, "for which category of pages; null: all"),
        Column("threshold", _DOUBLE, True, "the least score that is accepted"),
        Column("sampling_rate", _DOUBLE, True, "share of what reaches it that is accepted"),
        Column("made_at", _TIME, True, "when it was made"),
    ),
    ("made_at", "language"),
    is_fed=False,
)

TABLES: Mapping[str, TableDefinition] = {
    "files": _FILES,
    "ledger": _LEDGER,
    "takedowns": _TAKEDOWNS,
    "cuts": _CUTS,
}
