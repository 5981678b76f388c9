"""Python of other versions, put into words of the running one: Python 2, and syntax newer than it.

The running interpreter stays the judge. What it lacks is replaced by something of the same shape
that it knows, so that it judges all the rest: `print x` by a tuple, type parameters by nothing.
The results are good for that alone; they are never run, and their positions mean little.
"""

import ast
import re
from functools import cache
from keyword import kwlist

from tree_sitter import Language, Node, Query, QueryCursor

from gristmill.syntax.parse import parser_for

_TOKEN = re.compile(
    r"""
      (?P<string> [bBuUrR]{0,2} (?: "{3} (?: [^\\"] | \\. | "(?!"") )*+ "{3}
                                  | '{3} (?: [^\\'] | \\. | '(?!'') )*+ '{3}
                                  | "(?: [^"\\\n] | \\. )*+" | '(?: [^'\\\n] | \\. )*+' ) )
    | (?P<space> (?: [ \t\f\r] | \\\r?\n | \#[^\n]* )+ )
    | (?P<newline> \n )
    | (?P<name> [^\W\d]\w* )
    | (?P<number> 0[xXbBoO][0-9a-fA-F]+[lL]?
                | (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? [jJlL]? )
    | (?P<sign> <> | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_OCTAL = re.compile(r"0[0-7]+")
# Words of Python 3 that were names in Python 2.
_ONCE_NAMES = frozenset(("async", "await", "nonlocal", "True", "False"))
_LONGEST = 1_000  # tokens of what an `except` catches, and of a tuple among parameters
_OPEN = frozenset("([{")
_CLOSE = frozenset(")]}")
_ENDS_OPERAND = frozenset((*_CLOSE, "'"))  # strings have become empty ones
_BEFORE_OPERAND = frozenset(kwlist) - {"None"}
# A list of Python 2 may be made over several things: `[x for x in a, b if x]`.
_NEXT_IN_LIST = {
    "[": ("for",),
    "[for": ("in",),
    "[in": ("for", "if"),
    "[if": ("for", "if"),
}
# What follows `print` or `exec` as a statement and could not follow a name in an expression.
_NO_OPERAND = frozenset(("and", "or", "in", "is", "if", "else", "for"))
# A name like `e` or `(code, text)`; a second exception has a capital or a dot.
_CAUGHT = re.compile(r"\s*(?:[a-z_]\w*|\([\w\s,]*\))\s*")

# What Python 2 has none of: with it a text is in neither version.
_ONLY_IN_3 = (
    ast.AnnAssign, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await, ast.FormattedValue,
    ast.JoinedStr, ast.Match, ast.MatMult, ast.NamedExpr, ast.Nonlocal, ast.TryStar, ast.YieldFrom,
)  # fmt: skip


def as_python_3(text: str) -> str:
    r"""Return Python 2 with its own statements and spellings replaced by expressions of Python 3.

    >>> as_python_3("print >>f, 0777\n")
    'print >>f, 0o777\n'
    >>> as_python_3("print 10L <> `x`\n")
    'print, 10 != (x)\n'

    Of a list that is made over several things, none may be a lambda, and no comma may be the last.
    """
    lines = _Rewriting(text).result().split("\n")
    # Python 2 took a tab for the way to the next multiple of eight columns.
    return "\n".join(
        line[: len(line) - len(rest)].expandtabs(8) + rest
        for line in lines
        for rest in (line.lstrip(" \t"),)
    )


def is_only_python_3(tree: ast.AST) -> bool:
    """Tell whether a tree has what no Python 2 has."""
    for node in ast.walk(tree):
        if isinstance(node, _ONLY_IN_3):
            return True
        if isinstance(node, ast.FunctionDef | ast.Lambda) and _has_new_parameters(node):
            return True
    return False


def _has_new_parameters(node: ast.FunctionDef | ast.Lambda) -> bool:
    arguments = node.args
    plain = (*arguments.args, arguments.vararg, arguments.kwarg)
    return bool(
        arguments.kwonlyargs
        or arguments.posonlyargs
        or any(argument is not None and argument.annotation for argument in plain)
        or (isinstance(node, ast.FunctionDef) and node.returns)
    )


class _Rewriting:
    """One pass over the tokens of a text in Python 2."""

    def __init__(self, text: str) -> None:
        tokens = [(match.lastgroup, match[0]) for match in _TOKEN.finditer(text)]
        self._kinds = [kind for kind, _ in tokens]
        self._words = [word for _, word in tokens]
        # What is open, and of a list how far its comprehension is: "for", "in" or "if" behind it.
        self._open: list[str] = []
        self._begins = True  # whether the next word begins a statement
        self._raises = False
        self._previous = ""
        # Depths at which parameters stand: one for each `def` or `lambda` that is being read.
        self._parameters: list[int] = []

    @property
    def _depth(self) -> int:
        return len(self._open)

    def result(self) -> str:
        """Return the rewritten text."""
        pieces, at = [], 0
        while at < len(self._words):
            kind, word = self._kinds[at], self._words[at]
            end = at + 1
            if kind == "newline":
                self._begins = self._begins or not self._depth
            elif kind != "space":
                end = self._end_of_pattern(at)
                word = self._replaced(at, kind, word) if end == at + 1 else " _"
                self._begins = not self._depth and word in {":", ";"}
                self._previous = word
            pieces.append(word)
            at = end
        return "".join(pieces)

    def _replaced(self, at: int, kind: str | None, word: str) -> str:
        if kind == "string":
            return "''"
        if kind == "number":
            return _number(word)
        if kind == "name":
            return self._name(at, word)
        if word == ",":
            is_raised = self._raises and not self._depth
            return " or " if is_raised or self._open[-1:] == ["[in"] else word
        return self._sign(word)

    def _name(self, at: int, word: str) -> str:
        if self._begins:
            self._raises = word == "raise"
            if word in {"print", "exec"} and self._has_operand(at + 1):
                return word + ","
            if word == "except":
                self._join_caught(at)
        if self._open and word in _NEXT_IN_LIST.get(self._open[-1], ()):
            self._open[-1] = f"[{word}"
        if word == "lambda":
            self._parameters.append(self._depth)
        elif word == "def":
            self._parameters.append(self._depth + 1)
        return "_" + word if word in _ONCE_NAMES else word

    def _has_operand(self, at: int) -> bool:
        """Tell whether an operand stands behind `print`, so that the word is no name."""
        if self._kinds[at : at + 1] == ["space"]:
            at += 1
        kind, word = self._kinds[at : at + 1], "".join(self._words[at : at + 1])
        if kind == ["name"]:
            return word not in _NO_OPERAND
        return kind in (["string"], ["number"]) or word in {"[", "{", "~", "`"}

    def _join_caught(self, at: int) -> None:
        """Replace the comma before the name that an exception gets."""
        depth, commas, end = 0, [], at
        while end < min(len(self._words), at + _LONGEST):
            word = self._words[end]
            if depth < 0 or (not depth and word in {":", ";", "\n"}):
                break
            if not depth and word == ",":
                commas.append(end)
            depth += (word in _OPEN) - (word in _CLOSE)
            end += 1
        if len(commas) == 1 and _CAUGHT.fullmatch("".join(self._words[commas[0] + 1 : end])):
            self._words[commas[0]] = " or "

    def _end_of_pattern(self, at: int) -> int:
        """Return where a tuple among parameters ends, as in `def f(a, (b, c))`; else the next."""
        if (
            self._words[at] != "("
            or self._parameters[-1:] != [self._depth]
            or self._previous not in {"(", ",", "lambda"}
        ):
            return at + 1
        depth = 0
        for end in range(at, min(len(self._words), at + _LONGEST)):
            word = self._words[end]
            depth += (word in _OPEN) - (word in _CLOSE)
            if not depth:
                return end + 1
        return at + 1

    def _sign(self, word: str) -> str:
        if word == "`":
            return self._backtick()
        if word in _OPEN:
            self._open.append(word)
        elif word in _CLOSE:
            del self._open[-1:]
            while self._parameters and self._parameters[-1] > self._depth:
                self._parameters.pop()
        elif word == ":" and self._parameters[-1:] == [self._depth]:
            self._parameters.pop()
        return "!=" if word == "<>" else word

    def _backtick(self) -> str:
        """Return a bracket: it opens where an operand is wanted, within others, too."""
        before, end = self._previous, self._previous[-1:]
        is_word = end.isalnum() or end == "_" or before[:1].isdigit()
        is_operand = end in _ENDS_OPERAND or (is_word and before not in _BEFORE_OPERAND)
        if is_operand and not self._begins:
            if self._open[-1:] == ["`"]:
                self._open.pop()
            return ")"
        self._open.append("`")
        return "("


def _number(token: str) -> str:
    digits = token.rstrip("lL")
    return f"0o{digits[1:]}" if _OCTAL.fullmatch(digits) else digits


_NEWER = """
(function_definition name: (_) . type_parameters: (type_parameter) @parameters)
(class_definition name: (_) . type_parameters: (type_parameter) @parameters)
(type_alias_statement . "type" . left: (type) . "=" . right: (type) .) @alias
(type_alias_statement left: (type (generic_type (type_parameter) @parameters)))
(string) @string
(except_clause) @except
(list_comprehension body: (list_splat . "*" @cut))
(set_comprehension body: (list_splat . "*" @cut))
(generator_expression body: (list_splat . "*" @cut))
(dictionary (dictionary_splat) @splat)
"""
_ALIASED = re.compile(r"[^\W\d]\w*\s*(\[.*\])?", re.DOTALL)
# Those of a type parameter and, where it may have one, of its default.
_STARS = re.compile(r"^ *\*(?:\*|( *\w+ *= *)\*)?")
# In an alias the grammar knows no default with a star.
_STARRED_DEFAULT = re.compile(
    r"^([ \t]*type[ \t]+\w+\s*\[.{0,200}?\*\w+\s*=\s*)\*(?=\w)", re.MULTILINE | re.DOTALL
)
_LAZY = re.compile(r"^([ \t]*)lazy[ \t]+(?=(?:import|from)\b)", re.MULTILINE)


_IN_STRING = """
(format_expression (format_specifier (format_expression) @nested))
(type_conversion) @conversion
"""
_CONVERSIONS = frozenset((b"!r", b"!s", b"!a"))


def _python() -> Language:
    language: Language | None = parser_for("python").language
    assert language is not None
    return language


@cache
def _newer() -> Query:
    return Query(_python(), _NEWER)


@cache
def _in_string() -> QueryCursor:
    return QueryCursor(Query(_python(), _IN_STRING))


def without_newer_syntax(text: str) -> str:
    """Return a text without what Python got after 3.11, as far as tree-sitter finds it.

    Type parameters and aliases (3.12), strings with quotes, backslashes, comments or newlines in
    their fields or with fields in the formats of formats (3.12), template strings and several
    exceptions without brackets (3.14), lazy imports and unpacking in comprehensions (3.15).
    """
    source = _STARRED_DEFAULT.sub(r"\1", _LAZY.sub(r"\1", text)).encode()
    captures = QueryCursor(_newer()).captures(parser_for("python").parse(source).root_node)
    edits = [(node.start_byte, node.end_byte, b"") for node in captures.get("cut", ())]
    edits += [
        (node.start_byte, node.end_byte, b"")
        for node in captures.get("parameters", ())
        if _are_parameters((node.text or b"").decode())
    ]
    edits += [
        (node.start_byte, node.children[1].start_byte, b"")
        for node in captures.get("alias", ())
        if _is_alias(node)
    ]
    edits += [
        (node.start_byte, node.end_byte, b"''")
        for node in captures.get("string", ())
        if not node.has_error and _is_newer_string(node)
    ]
    edits += [
        # A name is given in a set that is made over something, never to the key of a dictionary.
        (node.start_byte, node.start_byte + len("**"), b"_ := ")
        for node in captures.get("splat", ())
        if node.has_error  # the grammar knows none that is repeated
    ]
    for node in captures.get("except", ()):
        edits += _brackets(node)
    return _edited(source, edits).decode()


def _is_alias(node: Node) -> bool:
    """Tell whether a statement gives a name, with type parameters or without, to an expression."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    assert left is not None
    assert right is not None
    name = _ALIASED.fullmatch((left.text or b"").decode())
    if name is None or (name[1] and not _are_parameters(name[1])):
        return False
    return all(child.type != "splat_type" for child in right.children)


def _are_parameters(text: str) -> bool:
    """Tell whether a bracket holds type parameters: those of a function by name, but for stars."""
    parameters = _parted(text[1:-1])
    plain = [_STARS.sub(r"\1", one) for one in parameters]
    try:
        tree = ast.parse(f"def _(*, {','.join(plain)}): 0")
    except (SyntaxError, ValueError):
        return False
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    read = function.args.kwonlyargs
    return not any(
        argument.annotation and one.lstrip()[:1] == "*"
        for argument, one in zip(read, parameters, strict=False)
    )


def _parted(text: str) -> list[str]:
    """Return what stands between the commas that are in no bracket, without comments."""
    parts: list[list[str]] = [[]]
    depth = 0
    for match in _TOKEN.finditer(text):
        word = match[0]
        depth += (word in _OPEN) - (word in _CLOSE)
        if word == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(" " if match.lastgroup in {"space", "newline"} else word)
    return ["".join(part) for part in parts]


def _is_newer_string(node: Node) -> bool:
    start = node.child(0)
    assert start is not None
    mark = (start.text or b"").lower()
    found = _in_string().captures(node)
    if any(one.text not in _CONVERSIONS for one in found.get("conversion", ())):
        return False
    if b"t" in mark:
        return True
    quote = mark.lstrip(b"bfru")
    for field in node.children:
        inside = (field.text or b"") if field.type == "interpolation" else b""
        if quote in inside or b"\\" in inside or b"#" in inside:
            return True
        if len(quote) == 1 and b"\n" in inside:
            return True
    return "nested" in found


def _brackets(node: Node) -> list[tuple[int, int, bytes]]:
    """Return the edits that put brackets around several exceptions."""
    if not any(child.type == "," for child in node.children) or node.has_error:
        return []
    caught = [child for child in node.children_by_field_name("value") if child.is_named]
    if not caught or any(child.type == "as_pattern" for child in caught):
        return []
    first, last = caught[0].start_byte, caught[-1].end_byte
    return [(first, first, b"("), (last, last, b")")]


def _edited(source: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return the source with places replaced; a place inside an earlier one is left out."""
    pieces, done = [], 0
    for start, end, replacement in sorted(edits):
        if start >= done:
            pieces += [source[done:start], replacement]
            done = end
    return b"".join([*pieces, source[done:]])
