"""Tokenizer, Pratt parser and evaluator for arithmetic expressions.

Grammar, informally: numbers, names, ``+ - * / % ^``, unary minus, parentheses
and calls such as ``max(a, 2 * b)``.  ``^`` is exponentiation and associates to
the right; everything else associates to the left.
"""

import math
import operator
import re
from typing import NamedTuple

TOKEN_PATTERN = re.compile(
    r"""
      (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<op>[-+*/%^(),])
    | (?P<space>\s+)
    | (?P<bad>.)
    """,
    re.VERBOSE,
)

# operator -> (left binding power, right binding power, implementation)
INFIX = {
    "+": (10, 11, operator.add),
    "-": (10, 11, operator.sub),
    "*": (20, 21, operator.mul),
    "/": (20, 21, operator.truediv),
    "%": (20, 21, operator.mod),
    "^": (31, 30, operator.pow),
}
UNARY_MINUS_POWER = 25

FUNCTIONS = {"min": min, "max": max, "abs": abs, "sqrt": math.sqrt}


class ExpressionError(Exception):
    pass


class Token(NamedTuple):
    kind: str
    text: str
    offset: int


def tokenize(source):
    for match in TOKEN_PATTERN.finditer(source):
        kind = match.lastgroup
        if kind == "bad":
            raise ExpressionError(f"unexpected {match.group()!r} at {match.start()}")
        if kind != "space":
            yield Token(kind, match.group(), match.start())
    yield Token("end", "", len(source))


class Parser:
    """Compiles an expression into a closure taking a dict of variables."""

    def __init__(self, source):
        self._tokens = list(tokenize(source))
        self._index = 0

    def parse(self):
        compiled = self._expression(0)
        self._expect("end", "")
        return compiled

    def _peek(self):
        return self._tokens[self._index]

    def _advance(self):
        token = self._peek()
        self._index += 1
        return token

    def _expect(self, kind, text):
        token = self._advance()
        if (token.kind, token.text) != (kind, text):
            wanted = repr(text) if text else "end of input"
            raise ExpressionError(f"expected {wanted} at {token.offset}")

    def _expression(self, min_power):
        left = self._prefix()
        while True:
            left_power, right_power, apply = INFIX.get(self._peek().text, (-1, 0, None))
            if left_power < min_power:
                return left
            self._advance()
            left = _binary(apply, left, self._expression(right_power))

    def _prefix(self):
        token = self._advance()
        if token.kind == "number":
            value = float(token.text)
            return lambda env: value
        if token.kind == "name":
            return self._name_or_call(token)
        if token.text == "-":
            operand = self._expression(UNARY_MINUS_POWER)
            return lambda env: -operand(env)
        if token.text == "(":
            inner = self._expression(0)
            self._expect("op", ")")
            return inner
        raise ExpressionError(f"expected a value at {token.offset}")

    def _name_or_call(self, token):
        if self._peek().text != "(":
            return lambda env: _lookup(env, token)
        if token.text not in FUNCTIONS:
            raise ExpressionError(f"unknown function {token.text!r}")
        function = FUNCTIONS[token.text]
        arguments = self._arguments()
        return lambda env: function(*(argument(env) for argument in arguments))

    def _arguments(self):
        self._expect("op", "(")
        arguments = [self._expression(0)]
        while self._peek().text == ",":
            self._advance()
            arguments.append(self._expression(0))
        self._expect("op", ")")
        return arguments


def _binary(apply, left, right):
    return lambda env: apply(left(env), right(env))


def _lookup(env, token):
    try:
        return env[token.text]
    except KeyError:
        raise ExpressionError(f"undefined variable {token.text!r}") from None


def evaluate(source, **variables):
    return Parser(source).parse()(variables)
