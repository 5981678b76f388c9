"""The tokenizer that counts tokens: cl100k_base by tiktoken, its vocabulary inside this package.

It needs no network and writes nothing. Special tokens are text like any other: a document that
holds `<|endoftext|>` is a document about tokenizers.
"""

import base64
import gzip
import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from tiktoken import Encoding

VOCABULARY = "vendor/cl100k_base/cl100k_base.tiktoken.gz"
_VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_BOUND = 1 << 16
"""Characters tokenized at a time: what one long line may cost stays in proportion to its length."""
# How cl100k_base is defined to split a text before it merges bytes.
_SPLIT = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


class Tokenizer:
    """Counts tokens; `name` says by what, with its version."""

    def __init__(self, encoding: Encoding, name: str) -> None:
        self.name = name
        self._encoding = encoding

    def count(self, text: str) -> int:
        """Return the number of tokens of a text.

        A text longer than 65,536 characters is cut into parts of that length; each cut may add or
        take a token.
        """
        parts = (text[begin : begin + _BOUND] for begin in range(0, len(text), _BOUND))
        return sum(len(self._encoding.encode_ordinary(part)) for part in parts)


@cache
def load_tokenizer() -> Tokenizer:
    """Return the tokenizer, read once: 0.2 CPU seconds and 40 MB."""
    packed = files("gristmill.runtime.adapters").joinpath(VOCABULARY).read_bytes()
    lines = gzip.decompress(packed)
    assert hashlib.sha256(lines).hexdigest() == _VOCABULARY_SHA256, "another vocabulary"
    pairs = (line.split() for line in lines.splitlines())
    encoding = Encoding(
        "cl100k_base",
        pat_str=_SPLIT,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in pairs},
        special_tokens={},
    )
    return Tokenizer(encoding, f"cl100k_base (tiktoken {version('tiktoken')})")
