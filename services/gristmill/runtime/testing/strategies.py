"""Hypothesis strategies for the values of the model.

What they draw is consistent: hashes, sizes and ids belong to the content drawn with them, and a
decision has a reason where its outcome asks for one. Nothing is drawn that ingestion would not
let in: text holds no lone surrogates, moments are in UTC, numbers are finite.
"""

from datetime import UTC, date

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gristmill.runtime.model import (
    Annotations,
    BlobReference,
    Commit,
    CrawlItem,
    Decision,
    Document,
    Drop,
    Evidence,
    Features,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    OutcomeKind,
    Position,
    RawFile,
    Reason,
    Reject,
    Repository,
    RepositoryMember,
    ScoreParts,
    Split,
    Syntax,
    WebPage,
)
from gristmill.runtime.model.document import Body, document_id, repository_sha256, sha256_hex

# Strings of any alphabet, NUL included; short, since length is no case of its own.
_TEXT = st.text(max_size=12)
_NAMES = st.text(min_size=1, max_size=12)
_SHARES = st.floats(0, 1)
_SIZES = st.integers(0, 2**40)
_HASHES = st.binary(max_size=4).map(sha256_hex)
_ENCODINGS = st.sampled_from(("utf-8", "utf-16-le", "windows-1252", "gb18030"))
_WITH_REASON = frozenset({OutcomeKind.DROP, OutcomeKind.REJECT, OutcomeKind.DEAD})


def positions() -> SearchStrategy[Position]:
    """Draw places of delivery over the whole range of offsets."""
    return st.builds(Position, source=_NAMES, offset=st.integers(0, 2**63 - 1))


def origins() -> SearchStrategy[Origin]:
    """Draw origins; any field may be untold."""
    return st.builds(
        Origin,
        source=_TEXT,
        repository=_TEXT,
        path=_TEXT,
        url=_TEXT,
        revision=_TEXT,
        licence=_TEXT,
        crawl=_TEXT,
        fetched_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    )


def features() -> SearchStrategy[Features]:
    """Draw static features; they need not fit together."""
    lists = {
        **dict.fromkeys(
            ("comment_spans", "docstring_spans", "function_spans"),
            st.lists(_SIZES, max_size=4).map(tuple),
        ),
        "imports": st.lists(_TEXT, max_size=3).map(tuple),
    }
    # Drawn together: a draw of its own for each count would be slow.
    counts = [name for name in Features._fields if name not in lists]
    numbers = st.lists(_SIZES, min_size=len(counts), max_size=len(counts))
    return st.builds(
        lambda values, **rest: Features(**dict(zip(counts, values, strict=True)), **rest),
        numbers,
        **lists,
    )


def annotations() -> SearchStrategy[Annotations]:
    """Draw what stages may have found out so far."""
    return st.builds(
        Annotations,
        language=_TEXT,
        syntax=st.none()
        | st.builds(
            Syntax,
            error_share=_SHARES,
            checker=_TEXT,
            features=st.none() | features(),
            dialect=_TEXT,
        ),
        score=st.none() | _SHARES,
        scorer=_TEXT,
        tokens=st.none() | _SIZES,
        score_parts=st.none()
        | st.builds(
            ScoreParts,
            readability=_SHARES,
            modularity=_SHARES,
            clarity=_SHARES,
            reusability=_SHARES,
            zero_rule=_TEXT,
        ),
    )


def evidence() -> SearchStrategy[Evidence]:
    """Draw figures behind a decision; any may not apply."""
    return st.builds(
        Evidence,
        matched_id=st.none() | _HASHES.map(lambda digits: digits[:32]),
        similarity=st.none() | _SHARES,
        error_share=st.none() | _SHARES,
        score=st.none() | _SHARES,
        threshold=st.none() | _SHARES,
        checker=_TEXT,
        detail=_TEXT,
    )


def bodies(kind: Kind) -> SearchStrategy[Body]:
    """Draw bodies of one kind of document."""
    members = st.builds(
        RepositoryMember, path=_TEXT, content_sha256=_HASHES, size_bytes=_SIZES, language=_TEXT
    )
    strategies: dict[Kind, SearchStrategy[Body]] = {
        Kind.FILE: st.builds(FileText, content=_TEXT, encoding=_ENCODINGS),
        Kind.REPOSITORY: st.builds(
            Repository,
            members=st.lists(members, max_size=3).map(tuple),
            packed=st.binary(max_size=12),
        ),
        Kind.COMMIT: st.builds(
            Commit, message=_TEXT, patch=_TEXT, merged=st.booleans(), context=_TEXT
        ),
        Kind.WEB_PAGE: st.builds(
            WebPage,
            text=_TEXT,
            code_blocks=st.lists(_TEXT, max_size=3).map(tuple),
            has_code_tags=st.booleans(),
        ),
    }
    return strategies[kind]


@st.composite
def documents(draw: DrawFn, kind: Kind | None = None) -> Document:
    """Draw documents of one kind, or of all."""
    chosen = draw(st.sampled_from(Kind)) if kind is None else kind
    origin, body = draw(origins()), draw(bodies(chosen))
    content_sha256, size_bytes = _measure(body)
    return Document(
        id=document_id(chosen, origin, content_sha256),
        kind=chosen,
        origin=origin,
        position=draw(positions()),
        body=body,
        content_sha256=content_sha256,
        size_bytes=size_bytes,
        annotations=draw(annotations()),
    )


@st.composite
def raw_files(draw: DrawFn) -> RawFile:
    """Draw files with their content, and files that could not be or were not read."""
    content = draw(st.none() | st.binary(max_size=24))
    unread = content is None
    return RawFile(
        origin=draw(origins()),
        position=draw(positions()),
        size_bytes=draw(_SIZES) if content is None else len(content),
        content=content,
        content_sha256="" if content is None else sha256_hex(content),
        fault=draw(st.none() | st.sampled_from(Reason)) if unread else None,
        detail=draw(_TEXT) if unread else "",
    )


def blob_references() -> SearchStrategy[BlobReference]:
    """Draw where bytes may lie, as the blob store names it."""

    def reference(digits: str, day: date, size_bytes: int) -> BlobReference:
        return BlobReference(
            key=f"blobs/{day.isoformat()}/{digits}", sha256=digits, size_bytes=size_bytes
        )

    return st.builds(reference, _HASHES, st.dates(), _SIZES)


@st.composite
def crawl_items(draw: DrawFn) -> CrawlItem:
    """Draw what crawlers deliver: with content, with a reference to it, or with neither."""
    body = draw(st.none() | st.binary(max_size=24) | blob_references())
    return CrawlItem(
        origin=draw(origins()),
        size_bytes=len(body) if isinstance(body, bytes) else draw(_SIZES),
        content=body if isinstance(body, bytes) else None,
        blob=body if isinstance(body, BlobReference) else None,
        fault=draw(st.none() | st.sampled_from(Reason)) if body is None else None,
        detail=draw(_TEXT) if body is None else "",
    )


@st.composite
def decisions(draw: DrawFn) -> Decision:
    """Draw lines of the ledger."""
    kind, origin, content_sha256 = draw(st.sampled_from(Kind)), draw(origins()), draw(_HASHES)
    outcome = draw(st.sampled_from(OutcomeKind))
    return Decision(
        document_id=document_id(kind, origin, content_sha256),
        content_sha256=content_sha256,
        kind=kind,
        origin=origin,
        position=draw(positions()),
        size_bytes=draw(_SIZES),
        stage=draw(_NAMES),
        outcome=outcome,
        version=draw(_TEXT),
        language=draw(_TEXT),
        reason=draw(st.sampled_from(Reason)) if outcome in _WITH_REASON else None,
        evidence=draw(evidence()),
    )


def outcomes() -> SearchStrategy[Outcome]:
    """Draw outcomes of every sort; a split may be into nothing."""
    reasons = st.sampled_from(Reason)
    parts = st.lists(documents(), max_size=2).map(tuple)
    return st.one_of(
        st.builds(Keep, documents(), evidence()),
        st.builds(Drop, reasons, evidence()),
        st.builds(Split, parts, evidence()),
        st.builds(Reject, reasons, evidence()),
    )


def _measure(body: Body) -> tuple[str, int]:
    """Return the content's hash and size in bytes, as if the file had been UTF-8."""
    match body:
        case FileText(content=text) | WebPage(text=text):
            content = text.encode()
        case Commit(message=message, patch=patch):
            content = (message + patch).encode()
        case Repository(members=members):
            return repository_sha256(members), sum(member.size_bytes for member in members)
    return sha256_hex(content), len(content)
