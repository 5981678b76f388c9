"""Files that are meant to cost a parser more than they are worth, for every language."""

import random
from collections.abc import Iterator

from gristmill.runtime.model.languages import LANGUAGES, Language

_SEED = 20261126
# Lines of their own: one long line is minified, and bare brackets are data, to ingestion.
_NESTING = ("f(", "(", "[", "{", "if x {", "begin", "<a>", '"', "'", "#(", "/*", "`")


def hostile_files(size_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of hostile files, each of about the size, by language and kind."""
    for language in LANGUAGES:
        name = _name(language)
        if name is None:
            continue
        for number, opening in enumerate(_NESTING):
            line = f"{opening} x{number}\n"
            yield f"deep{number}-{name}", (line * (size_bytes // len(line))).encode()
        yield f"noise-{name}", _noise(language.name, size_bytes)


def _name(language: Language) -> str | None:
    if language.extensions:
        return f"{language.name.replace(' ', '_').replace('/', '_')}{language.extensions[0]}"
    return None


def _noise(seed: str, size_bytes: int) -> bytes:
    """Return printable characters by chance, in lines."""
    chance = random.Random(f"{_SEED}/{seed}")  # noqa: S311 - the same in every run
    signs = "(){}[]<>\"'`;:,.=+-*/\\|&%$#@!?~^ \t\nabcdefghxyz0123456789"
    text = "".join(chance.choice(signs) for _ in range(size_bytes))
    return "\n".join(text[at : at + 80] for at in range(0, len(text), 80)).encode()
