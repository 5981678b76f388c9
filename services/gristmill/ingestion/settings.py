"""The knobs of the ingestion service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionSettings:
    """Which files are worth looking at at all. Every field is part of a source's identity."""

    max_file_bytes: int = 1 << 20
    """Bytes above which a file is `too_large` and not read; code by hand is rarely above 1 MiB."""

    max_mean_line_chars: int = 110
    """Mean characters a line above which JavaScript and CSS count as `minified`."""

    max_data_share: float = 0.9
    """Share of digits, separators and quotes above which a file of code counts as `data_file`."""

    drop_vendored: bool = True
    """Whether copied dependencies (node_modules, site-packages, .git, …) are dropped."""

    drop_generated: bool = True
    """Whether files that say of themselves that a program wrote them are dropped."""

    archive_max_ratio: int = 50
    """How many times its own size an archive may unpack to; source code packs 4 to 10 times."""

    archive_free_bytes: int = 64 << 20
    """Bytes that any archive may unpack to, however small it is."""

    archive_free_members: int = 20_000
    """Members that any archive may have; a larger one may have one more for each 128 bytes."""
