"""HTML without its whole tags: what is taken, what is left, and that hostile text costs little."""

import pytest

from gristmill.syntax.markup import without_tags


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<b>c</b >d", "a c d"),
        ("a<b c d='>' e=\"<f>\" g=h />i", "a i"),
        ("a > b & c < d", "a   b   c   d"),
        ("a<!-- <b> -->c<!-->d", "a c d"),
        ("a<!DOCTYPE html>b<?php c ?>d", "a b d"),
        ("a<script>if (b<c) '</p>'</script>d", "a d"),
        ("a<STYLE>b</style\n>c", "a c"),
    ],
)
def test_whole_tags_are_taken(text: str, left: str) -> None:
    assert without_tags(text) == left


@pytest.mark.parametrize(
    "text", ["<a b='c d", "<a b=c' d", "<a", "a</b", "<!-- a", "<!a", "<script>a"]
)
def test_what_is_not_whole_is_left(text: str) -> None:
    assert without_tags(text) == text


def test_tags_that_are_taken_join_nothing() -> None:
    assert without_tags("</<b>i>") == "</ i "


@pytest.mark.parametrize(
    "piece", ["<script>", "<!--", "<!", "<?", "</", "<a b='", '<a b="', "<a ", "&", "<"]
)
def test_hostile_text_is_read_once(piece: str) -> None:
    assert len(without_tags(piece * 100_000)) <= len(piece) * 100_001
