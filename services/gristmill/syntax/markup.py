"""HTML without the tags that its parser takes wherever they stand.

HTML5 says what any order of tags means: end tags may be left out, those of a fragment may have
their start in another file, and nothing of the text is lost. What is left of a text without its
whole tags is what a grammar may find fault with: a tag that is cut off, a quote that never ends.
"""

import re
from collections.abc import Iterator
from typing import Final

# A whole tag, or what opens anything else, or a sign that stands for itself. Nothing repeated gives
# back what it took.
_TAG: Final = re.compile(
    r"""
    <!--
    | <[!?]
    | <(?![A-Za-z/])
    | [&>]
    | </?([A-Za-z][^\s/><"']*+)
      (?: [\s/]++ | [^\s/>"'=<]++ (?: \s*+ = \s*+ (?: "[^"]*+" | '[^']*+' | [^\s"'=<>`]++ ) )?+ )*+
      >
    """,
    re.VERBOSE,
)
_CLOSING: Final = {"<!--": "-->", "<!": ">", "<?": ">"}
"""What ends comments, declarations and instructions: without it they take the rest of the text."""
_RAW: Final = {
    name: re.compile(rf"</{name}[\s/]*+>", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp")
}
"""Elements whose content is text, with what ends them."""


def without_tags(text: str) -> str:
    """Return a text without its whole tags, comments and elements of raw text.

    Takes time in proportion to the text, whatever is in it.

    >>> without_tags('</body><p class="a">one<p>two <a href="b')
    '  one two <a href="b'
    """
    return " ".join(text[begin:end] for begin, end in _between(text))


def place_among_tags(text: str, place: int) -> int:
    """Return where a character of the text without tags stands in the text.

    >>> place_among_tags('</body>one<p>two <a href="b', 9)
    17
    """
    for begin, end in _between(text):
        if place <= end - begin:
            return begin + place
        place -= end - begin + 1
    return len(text)


def _between(text: str) -> Iterator[tuple[int, int]]:
    """Return where what stands between the tags begins and ends."""
    kept, at = 0, 0
    endless: set[str] = set()
    while (tag := _TAG.search(text, at)) is not None:
        at = end = tag.end()
        name = (tag[1] or "").lower()
        if tag[0] in _CLOSING:
            closing = _CLOSING[tag[0]]
            end = text.find(closing, tag.start() + 2)
            if end < 0:
                break
            end += len(closing)
        elif name in _RAW and tag[0][1] != "/":
            last = None if name in endless else _RAW[name].search(text, end)
            if last is None:
                endless.add(name)
                continue
            end = last.end()
        yield kept, tag.start()
        kept = at = end
    yield kept, len(text)
