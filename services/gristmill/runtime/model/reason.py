"""Why a document was dropped or set aside: the closed list of reason codes.

A code is stored in tables and metrics for ever: it may be added, never renamed or reused.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A reason code; its sentence is `Reason.explanation`."""

    TOO_LARGE = "too_large"
    BINARY = "binary"
    UNDECODABLE = "undecodable"
    EMPTY = "empty"
    TOO_FEW_WORDS = "too_few_words"
    MINIFIED = "minified"
    GENERATED = "generated"
    VENDORED = "vendored"
    DATA_FILE = "data_file"
    LOCK_FILE = "lock_file"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    UNSAFE_MEMBER = "unsafe_member"
    ARCHIVE_LIMIT = "archive_limit"
    SYNTAX_ERRORS = "syntax_errors"
    PARSER_LIMIT = "parser_limit"
    UNKNOWN_LANGUAGE = "unknown_language"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    RESUBMITTED = "resubmitted"
    BENCHMARK_OVERLAP = "benchmark_overlap"
    NOT_RELEVANT = "not_relevant"
    BLOCKED = "blocked"
    CUSTOM_RULE = "custom_rule"
    UNHANDLED = "unhandled"
    UNWANTED_DIALECT = "unwanted_dialect"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Reason.TOO_LARGE: "larger than the size limit; its content was not read",
    Reason.BINARY: "holds bytes that no text holds",
    Reason.UNDECODABLE: "is not text in any known encoding",
    Reason.EMPTY: "holds nothing but white space",
    Reason.TOO_FEW_WORDS: "a web page of fewer than ten words",
    Reason.MINIFIED: "minified: its lines are too long to have been written by a person",
    Reason.GENERATED: "says of itself that a program wrote it",
    Reason.VENDORED: "lies in a folder of copied dependencies or of version control",
    Reason.DATA_FILE: "data rather than code",
    Reason.LOCK_FILE: "the lock file of a package manager",
    Reason.NOT_A_FILE: "a link, pipe, socket or device",
    Reason.UNREADABLE: "could not be read",
    Reason.UNSAFE_MEMBER: "an archive member that is a link or device, or points outside",
    Reason.ARCHIVE_LIMIT: "an archive that unpacks to more than its limits allow",
    Reason.SYNTAX_ERRORS: "more of it is a syntax error than its language's budget allows",
    Reason.PARSER_LIMIT: "used up the CPU seconds or the memory that one document may use",
    Reason.UNKNOWN_LANGUAGE: "in no language that Gristmill knows",
    Reason.EXACT_DUPLICATE: "byte for byte the same as a document that was kept",
    Reason.NEAR_DUPLICATE: "nearly the same as a document that was kept",
    Reason.RESUBMITTED: "this very document was kept before, from an earlier delivery",
    Reason.BENCHMARK_OVERLAP: "shares text with a protected benchmark",
    Reason.NOT_RELEVANT: "a web page that is not about code",
    Reason.BLOCKED: "taken down at somebody's request",
    Reason.CUSTOM_RULE: "dropped by a rule of the user's own stage",
    Reason.UNHANDLED: "a stage failed on it: a bug, see the run's log",
    Reason.UNWANTED_DIALECT: "in a dialect that the settings do not want, as Python 2",
}
