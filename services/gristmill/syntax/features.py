"""Static features of a text, out of the tree that the syntax check has made already.

One query finds all nodes that matter in one pass in C; Python sees only what it found. A walk
over every node would cost more than the parse.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tree_sitter import Node, QueryCursor, Tree

from gristmill.runtime.model.features import (
    LEAST_CODE_BYTES,
    MAX_IMPORT_CHARS,
    MAX_IMPORTS,
    MAX_SPANS,
    WINDOW_BYTES,
    Features,
)
from gristmill.syntax.node_kinds import query_for

VERSION = 8
"""Grows with every change to what a feature counts."""

WIDER = 4
"""How many times as much is looked at behind a head of prose."""

_LONG_LINE_BYTES = 120
_LONG_LITERAL_BYTES = 1024  # it may be a text about the code, which is looked for behind it
_SAMPLE_BYTES = 1024
_WORDS = bytes(
    ord("a") if byte > 127 or chr(byte).isalnum() or byte == ord("_") else ord(" ")
    for byte in range(256)
)
_DOCUMENTATION = (b"///", b"//!", b"/**", b"/*!", b"-- |", b"#'", b"{- |", b"(**")
_CODE_ENDS = (b";", b"{", b"}", b"()", b"):")
_MARKS = (b"TODO", b"FIXME")
# What generators write at the beginning of a line; one of the hints is in every such line.
_GENERATED = re.compile(
    rb"^[^\w\n]*(?:(?:this|the) (?:file|code|class|module|migration) (?:is|was|has been) "
    rb"|this is an? |code |file )?(?:auto[- ]?|automatically |machine[- ])?generated\b"
    rb"(?: (?:automatically|by|from|on|using|with)\b|[.,;:!]?\s*(?:do not\b|$)"
    rb"| (?:file|code|source|class)\b[^\w\n]+do not\b)"
    rb"|@generated\b|^[^\w\n]*do not (?:edit|modify)\b",
    re.IGNORECASE | re.MULTILINE,
)
_GENERATED_HINTS = (
    b"enerated",
    b"ENERATED",
    b"not edit",
    b"NOT EDIT",
    b"not modify",
    b"NOT MODIFY",
)
_CALLEE_BYTES = 40
_PRINTS = frozenset(
    rb"""
    print println printf puts echo pprint pprint.pprint pp print_r var_dump
    console.log console.debug console.info console.dir alert
    System.out.println System.out.print System.out.printf System.err.println
    Console.WriteLine Console.Write Debug.Log Debug.WriteLine NSLog
    fmt.Println fmt.Printf fmt.Print std::printf println! print! eprintln! dbg!
    putStrLn io.write IO.puts IO.inspect cat message disp fprintf Write-Host Write-Output
    """.split()
)
# Grammars of languages in which a blank stands between what is called and what it is given.
_SPACED = frozenset(
    (
        "bash", "elixir", "elm", "fish", "fsharp", "haskell", "nix", "ocaml", "powershell",
        "purescript", "ruby", "tcl", "vim",
    )
)  # fmt: skip
_ABOVE_BYTES = 200  # decorators and attributes between a comment and its function
_ENDS_A_COMMENT = re.compile(rb"\n\s*\n|[};]")
# What stands before a module's name where a grammar has no name for it.
_IMPORT_WORDS = re.compile(
    rb"(?:[@#-]?(?:import|from|use|using|with|open|include(?:_once|_lib)?|require(?:_once)?|load"
    rb"|source|static|qualified|safe|type|export|extern|public|namespace|library|limited)\b[\s(]*)*"
    rb"[\"'<`]*([^\s;,(){}\"'<>`]*)"
)

_QUOTES = b"\"'<>`; \t\r\n"

_Ranges = Sequence[tuple[int, int]]
_Told = dict[str, Any]  # some fields of Features by name; its constructor knows their types


def features_of_text(source: bytes) -> Features:
    """Return what the lines alone tell: the features of a text without a grammar."""
    text = _with_bare_ends(source[:WINDOW_BYTES])
    return Features(**_told_by_lines(text), **_told_by_code(text))


def features_of(tree: Tree, source: bytes, grammar: str) -> Features:
    """Return the features of a text; `source` is what the grammar made the tree from."""
    return look(tree, source, grammar)[0]


def look(tree: Tree, source: bytes, grammar: str) -> tuple[Features, bool]:
    """Return the features, and whether there was enough code among what was looked at."""
    window = WINDOW_BYTES
    found, num_code_bytes = _in_window(tree, source, grammar, window)
    while window < len(source) and num_code_bytes < LEAST_CODE_BYTES:
        window *= WIDER
        found, num_code_bytes = _in_window(tree, source, grammar, window)
    return found, num_code_bytes >= LEAST_CODE_BYTES


def _in_window(tree: Tree, source: bytes, grammar: str, window: int) -> tuple[Features, int]:
    """Return what a window shows, and how many bytes of it are neither prose nor long literals."""
    seen = source[:window]
    text = _with_bare_ends(seen)
    lines = _told_by_lines(text)
    root = tree.root_node
    query = query_for(grammar, tree.language)
    if query is None:
        found_lines = Features(num_nodes=root.descendant_count, **lines, **_told_by_code(text))
        return found_lines, len(text)
    cursor = QueryCursor(query)
    if len(source) > window:
        cursor.set_byte_range(0, window)
    found = cursor.captures(root)
    comments = _ranges(found, "comment")
    docstrings = _ranges(found, "docstring")
    functions = _ranges(found, "function")
    literals = _outermost(_ranges(found, "literal"))
    runs = _runs(comments, source)
    size_of = _sizer(source)
    comment_bytes, docstring_bytes = size_of(runs), size_of(docstrings)
    long = [one for one in literals if one[1] - one[0] >= _LONG_LITERAL_BYTES]
    if docstrings and long:
        known = set(docstrings)
        long = [one for one in long if one not in known]
    imports = _ranges(found, "import")
    features = Features(
        **lines,
        **_told_by_code(_code(text, seen, comments, docstrings)),
        **_told_by_prose(comments, docstrings, source),
        **_told_by_functions(functions, docstrings, runs, source, size_of),
        **_told_by_calls(found.get("call", ()), source, spaced=grammar in _SPACED),
        num_nodes=root.descendant_count,
        num_comments=len(runs),
        num_comment_bytes=comment_bytes,
        num_docstring_bytes=docstring_bytes,
        num_classes=len(found.get("class", ())),
        num_branches=len(found.get("branch", ())),
        num_literals=max(0, len(literals) - len(docstrings)),
        num_literal_bytes=max(0, size_of(literals) - docstring_bytes),
        num_imports=len(imports),
        comment_spans=_flat(runs),
        docstring_spans=_flat(docstrings),
        function_spans=_flat(functions),
        imports=tuple([_import(pair, source) for pair in imports[:MAX_IMPORTS]]),
    )
    return features, len(text) - comment_bytes - docstring_bytes - size_of(long)


def _with_bare_ends(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def _code(text: bytes, seen: bytes, comments: _Ranges, docstrings: _Ranges) -> bytes:
    """Return the window without prose; a comment that holds the end of its line leaves that."""
    prose = sorted([*comments, *docstrings])
    if not prose:
        return text
    pieces = []
    last = 0
    for start, end in prose:
        pieces.append(seen[last:start])
        if seen[end - 1 : end] == b"\n":
            pieces.append(b"\n")
        last = max(last, end)
    pieces.append(seen[last:])
    return _with_bare_ends(b"".join(pieces))


def _told_by_lines(text: bytes) -> _Told:
    lines = text.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    tabbed = text.count(b"\n\t") if b"\t" in text else 0
    return {
        "num_bytes": len(text),
        "num_lines": len(lines),
        "num_blank_lines": lines.count(b""),
        "longest_line_bytes": max(map(len, lines), default=0),
        "num_mixed_indents": min(tabbed, text.count(b"\n ")) if tabbed else 0,
    }


def _told_by_code(code: bytes) -> _Told:
    """Count what comments must not change: those put in for a score would."""
    lines = [line for line in map(bytes.rstrip, code.split(b"\n")) if line]
    distinct = set(lines)
    # From the middle: the beginning is imports.
    begin = max(0, len(code) - _SAMPLE_BYTES) // 2
    words = b" " + code[begin : begin + _SAMPLE_BYTES].translate(_WORDS)
    return {
        "num_code_lines": len(lines),
        "num_distinct_lines": len(distinct),
        "num_long_lines": sum([len(line) > _LONG_LINE_BYTES for line in distinct]),
        "num_sampled_words": words.count(b" a"),
        "num_sampled_word_bytes": words.count(b"a"),
    }


def _told_by_prose(ranges: _Ranges, docstrings: _Ranges, source: bytes) -> _Told:
    if not ranges and not docstrings:
        return {}
    comments = [source[start:end] for start, end in ranges]
    plain = [comment for comment in comments if not comment.startswith(_DOCUMENTATION)]
    code = b"\n".join(plain)
    text = b"\n".join([*comments, *(source[start:end] for start, end in docstrings)])
    return {
        "num_code_signs": code.count(b" = ")
        + sum([line.endswith(_CODE_ENDS) for line in code.split(b"\n")]),
        "num_unfinished_marks": sum(map(text.count, _MARKS)),
        "num_generated_marks": len(_GENERATED.findall(text))
        if any(hint in text for hint in _GENERATED_HINTS)
        else 0,
    }


def _told_by_functions(
    functions: _Ranges,
    docstrings: _Ranges,
    runs: _Ranges,
    source: bytes,
    size_of: Callable[[_Ranges], int],
) -> _Told:
    if not functions:
        return {}
    outer = _outermost(functions)
    return {
        "num_functions": len(functions),
        "num_documented_functions": _num_documented(functions, docstrings, runs, source),
        "num_function_bytes": size_of(outer),
        "longest_function_lines": max([source.count(b"\n", *pair) for pair in outer]) + 1,
        "deepest_function": _depth(functions),
    }


def _told_by_calls(nodes: Sequence[Node], source: bytes, *, spaced: bool) -> _Told:
    """Count calls by the text that names the callee; calls that begin at one place are a chain."""
    if not nodes:
        return {}
    starts = {node.start_byte for node in nodes}
    heads = [source[start : start + _CALLEE_BYTES] for start in starts]
    if spaced:
        heads = [b"".join(head.split(None, 1)[:1]) for head in heads]
    callees = Counter([head.partition(b"(")[0] for head in heads])
    return {
        "num_calls": len(heads),
        "num_calls_of_commonest": max(callees.values()),
        "num_debug_calls": sum([callees[name] for name in callees.keys() & _PRINTS]),
    }


def _ranges(found: Mapping[str, Sequence[Node]], capture: str) -> list[tuple[int, int]]:
    """Return where the nodes are, in order; a query finds them name by name."""
    if capture not in found:
        return []
    return sorted([node.byte_range for node in found[capture]])


def _outermost(ranges: _Ranges) -> list[tuple[int, int]]:
    """Return the ranges, given in order, that lie in no other."""
    outer: list[tuple[int, int]] = []
    last = -1
    for pair in ranges:
        start, end = pair
        if start >= last:
            outer.append(pair)
        elif start == outer[-1][0]:  # of two that begin together, the longer comes second
            outer[-1] = pair
        else:
            continue
        last = end
    return outer


def _total(ranges: _Ranges) -> int:
    return sum([end - start for start, end in ranges])


def _sizer(source: bytes) -> Callable[[_Ranges], int]:
    """Return what counts the bytes of ranges, with one for each end of a line."""
    if b"\r\n" not in source:
        return _total
    return lambda ranges: _total(ranges) - sum([source.count(b"\r\n", *one) for one in ranges])


def _flat(ranges: _Ranges) -> tuple[int, ...]:
    return tuple([place for pair in ranges[:MAX_SPANS] for place in pair])


def _depth(ranges: _Ranges) -> int:
    """Return how many ranges the deepest place lies in."""
    deepest = 0
    open_ends: list[int] = []
    for start, end in ranges:
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        open_ends.append(end)
        deepest = max(deepest, len(open_ends))
    return deepest


def _runs(comments: _Ranges, source: bytes) -> list[tuple[int, int]]:
    """Join comments with nothing but one newline and blanks between them."""
    if not comments:
        return []
    runs = []
    begin, last = comments[0]
    for start, end in comments:
        if start > last:
            gap = source[last:start]
            if not gap.isspace() or gap.count(b"\n") > 1:
                runs.append((begin, last))
                begin = start
        last = max(last, end)
    runs.append((begin, last))
    return runs


def _num_documented(functions: _Ranges, docstrings: _Ranges, runs: _Ranges, source: bytes) -> int:
    """Count functions with a docstring of their own, or a comment right above them."""
    documented = 0
    inside = [start for start, _ in docstrings]
    ends = [end for _, end in runs]
    for number, (start, end) in enumerate(functions):
        if inside:
            within = functions[number + 1][0] if number + 1 < len(functions) else end
            place = bisect_left(inside, start)
            if place < len(inside) and inside[place] < min(end, within):
                documented += 1
                continue
        above = bisect_left(ends, start + 1) - 1
        if above >= 0 and start - ends[above] <= _ABOVE_BYTES:
            documented += not _ENDS_A_COMMENT.search(source, ends[above], start)
    return documented


def _import(pair: tuple[int, int], source: bytes) -> str:
    """Return the module or path that an import names, as it is written."""
    start, end = pair
    text = source[start : min(end, start + 4 * MAX_IMPORT_CHARS)]
    if b" " in text:
        match = _IMPORT_WORDS.match(text)
        text = match[1] if match else b""
    return text.strip(_QUOTES).decode(errors="replace")[:MAX_IMPORT_CHARS]
