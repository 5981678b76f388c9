"""The tokenizer: a vocabulary that is what it says, and texts of any kind as text."""

import gzip
import hashlib
import random
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.adapters.tokenizer import VOCABULARY, Tokenizer, load_tokenizer

MANY = 1 << 18


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("def f(x):\n    return x + 1\n", 11),
        ("größer 日本語", 7),
        # The vocabulary's special tokens are words of a text like others.
        ("<|endoftext|>", 7),
        ("<|fim_prefix|><|fim_suffix|><|endofprompt|>", 19),
    ],
)
def test_tokens_of_a_text(text: str, tokens: int) -> None:
    assert load_tokenizer().count(text) == tokens


def test_the_name_holds_the_version() -> None:
    assert load_tokenizer().name == f"cl100k_base (tiktoken {version('tiktoken')})"


def test_the_vocabulary_is_the_one_that_was_vendored_with_its_licence() -> None:
    packed = files("gristmill.runtime.adapters").joinpath(VOCABULARY)
    folder = packed.parent  # type: ignore[attr-defined]
    assert (
        hashlib.sha256(gzip.decompress(packed.read_bytes())).hexdigest()
        in (folder / "README.md").read_text()
    )
    assert "MIT License" in (folder / "LICENSE").read_text()


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_has_at_most_a_token_a_byte(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    assert bool(text) <= load_tokenizer().count(text) <= size


class Recorder:
    """Stands where the encoding is, and takes down what it is asked."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def encode_ordinary(self, part: str) -> list[int]:
        self.parts.append(part)
        return [0] * len(part)


def test_a_long_text_is_tokenized_in_bounded_parts() -> None:
    recorder: Any = Recorder()
    text = "".join(random.Random(0).choices("ab \n", k=200_000))
    assert Tokenizer(recorder, "recorder").count(text) == len(text)
    assert "".join(recorder.parts) == text
    assert max(map(len, recorder.parts)) == 65_536


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a" * MANY, MANY // 8),
        ("0" * MANY, None),
        (" " * MANY, None),
        ("\n" * MANY, None),
        (" \t" * (MANY // 2) + "x", None),
        ("^" * MANY, None),
        ("e" + "\u0301" * MANY, None),
        ("\u202e" * (MANY // 8), None),
        ("\0" * MANY, MANY),
        ("<|endoftext|>" * (MANY // 13), None),
        ("".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=MANY)), None),
    ],
    ids=[
        "letter", "digit", "spaces", "lines", "blanks", "signs", "marks", "bidi", "nul", "special",
        "word",
    ],
)  # fmt: skip
def test_a_text_made_to_hold_a_tokenizer_up_is_counted(text: str, tokens: int | None) -> None:
    counted = load_tokenizer().count(text)
    assert 0 < counted <= len(text.encode())
    assert tokens in {None, counted}
