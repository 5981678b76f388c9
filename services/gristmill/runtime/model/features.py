"""Static features of a text: plain counts that a quality rule may weigh. No score is made here."""

from typing import NamedTuple

WINDOW_BYTES = 8 << 10
"""How much of a text is looked at: four files of public code in five fit whole. It bounds what
the largest cost."""
LEAST_CODE_BYTES = WINDOW_BYTES // 4
"""Code that has to be seen, or all there is: a longer look is taken behind a head of prose."""
MAX_SPANS = 256
"""Spans kept in each list."""
MAX_IMPORTS = 128
MAX_IMPORT_CHARS = 120


# A named tuple: a frozen dataclass of so many fields takes five times as long to make.
class Features(NamedTuple):
    """What a parse and a look at the lines say of a text's first WINDOW_BYTES, as UTF-8.

    Where less than LEAST_CODE_BYTES of them is code, four times as much is looked at, and again.
    Counts are counts and not shares: whoever weighs them divides. Spans are flat: the start and
    the end of the first, of the second and so on, in bytes, in the text's order, at most MAX_SPANS
    of them. What begins in the window counts whole. A comment is a run of comments with nothing
    but one newline and blanks between them. Where a language's own parser rules, the tree ends with
    the window. What a grammar does not tell apart is 0 in all texts;
    without a grammar `num_nodes` is 0, and so is everything but what the lines tell.

    Each field serves one criterion of the quality label: readability, modularity, clarity,
    reusability, or the score of zero for data, configuration and generated text.
    """

    # What the lines tell; the tree tells which of them are comments.
    num_bytes: int = 0
    """Bytes looked at, with one for each end of a line."""
    num_lines: int = 0
    """Lines, a last one without a newline included."""
    num_blank_lines: int = 0
    """Readability."""
    num_code_lines: int = 0
    """Lines with more than blanks; of those that hold comments and docstrings, what is beside them
    counts."""
    num_distinct_lines: int = 0
    """Clarity: of these, lines that differ, indentation included. Few: repetition, or data."""
    num_long_lines: int = 0
    """Readability: of these, different lines of more than 120 bytes."""
    longest_line_bytes: int = 0
    """Readability."""
    num_mixed_indents: int = 0
    """Readability: of the lines that begin with a tab and those with a blank, the fewer."""
    num_sampled_words: int = 0
    """Words in the KiB in the middle of the code, without comments and docstrings: runs of letters,
    digits, underscores, bytes above 127."""
    num_sampled_word_bytes: int = 0
    """Readability: bytes in them; over the words it is the mean length of a name."""

    # What the tree tells.
    num_nodes: int = 0
    """Nodes of the whole tree: of all the text, or of the window where it ends with that."""
    num_comments: int = 0
    """Readability."""
    num_comment_bytes: int = 0
    """Readability: docstrings apart."""
    num_docstring_bytes: int = 0
    """Readability: bytes in strings that the language takes for documentation."""
    num_functions: int = 0
    """Modularity: definitions with a name; those without, such as lambdas, are left out."""
    num_documented_functions: int = 0
    """Readability: functions with a docstring, or a comment right above."""
    num_function_bytes: int = 0
    """Modularity: bytes inside functions, of nested ones once."""
    longest_function_lines: int = 0
    """Modularity: of functions in no other; beyond the window too."""
    deepest_function: int = 0
    """Modularity: functions around the most deeply nested one, itself included."""
    num_classes: int = 0
    """Modularity: classes and what is like them: structs, traits, interfaces, modules."""
    num_branches: int = 0
    """Modularity: conditions, loops, cases and handlers. Zero: none in a text without logic."""
    num_calls: int = 0
    """Reusability, zero: calls; a chain of calls is one."""
    num_calls_of_commonest: int = 0
    """Clarity: calls of the callee that is called most often."""
    num_debug_calls: int = 0
    """Clarity: calls that print, by the language's usual names."""
    num_code_signs: int = 0
    """Clarity: assignments and ends of lines as in code, in comments; documentation apart."""
    num_literals: int = 0
    """Zero: numbers and strings, the outermost, docstrings apart."""
    num_literal_bytes: int = 0
    """Reusability, zero: bytes in numbers and strings, docstrings apart."""
    num_unfinished_marks: int = 0
    """Reusability: TODO and FIXME in comments and docstrings."""
    num_generated_marks: int = 0
    """Zero: lines in comments and docstrings that begin by saying that a program wrote them."""
    num_imports: int = 0
    """Reusability: imports, beyond those named below too."""

    comment_spans: tuple[int, ...] = ()
    docstring_spans: tuple[int, ...] = ()
    function_spans: tuple[int, ...] = ()
    """Functions; nested ones follow the one around them."""
    imports: tuple[str, ...] = ()
    """What is imported, as written: a module's name or a path, without quotes."""
