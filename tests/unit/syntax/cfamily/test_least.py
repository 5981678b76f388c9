"""C and C++ without their macros: what is forgiven, what is not, and at what cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.syntax.cfamily import least
from gristmill.syntax.cfamily.directives import without_directives
from gristmill.syntax.cfamily.macros import without_macros
from gristmill.syntax.cfamily.places import Places
from gristmill.syntax.cfamily.tokens import tokenize
from gristmill.syntax.parse import errors_in, errors_under, parser_for


def least_error_bytes(grammar: str, text: str, *, enough: int = 0) -> int:
    source = text.encode()
    tree = parser_for(grammar).parse(source)
    return least.least_errors(grammar, source, tree, enough=enough).num_bytes


# Each has errors for the grammar and none for a compiler that has read the headers.
SOUND_C = {
    "attributes before and behind": "API int f(void) NOTHROW;\n"
    "static LOCAL int *g(int a UNUSED) PRINTF(1, 2);\n",
    "a calling convention": "int WINAPI f(void);\ntypedef int (CALLBACK *handler)(int code);\n",
    "a type that a macro makes": "PyAPI_FUNC(int) f(int a, char *b) NOTHROW;\n",
    "parameters declared as of old": "int EXPORT f(a, b)\n    char *a;\n    T b;\n{\n"
    "  return b;\n}\n",
    "attributes in small letters": "extern int f(int a)\n    lib_nothrow lib_alloc(1);\n",
    "a list of functions": "DEFINE_STACK_OF(A)\nDEFINE_STACK_OF(B)\nint f(void);\n",
    "lines that open and close": "BEGIN_DECLS\nint f(void);\nEND_DECLS\n",
    "a loop": "int f(int *l) {\n  LIST_FOREACH(x, l) {\n    g(x);\n  }\n"
    "  foreach(x, l)\n    h(x);\n  return 0;\n}\n",
    "branches that share a bracket": "int f(int a) {\n#ifdef A\n  if (a) {\n"
    "#else\n  if (!a) {\n#endif\n    return 1;\n  }\n  return 0;\n}\n",
    "two languages in a header": '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n'
    "#ifdef __cplusplus\n}\n#endif\n",
    "a type as an argument": "int f(void *l) {\n"
    "  struct a *b = container_of(l, struct a, list);\n  return b->c;\n}\n",
    "macros among strings": 'const char *a = "x" STR(y) "z";\n',
    "a member that a macro makes": "typedef struct {\n    PyObject_HEAD\n    PyObject *a;\n} B;\n",
    "a header that is C++": "class EXPORT A : public B {\npublic:\n  A();\n  virtual ~A();\n};\n",
}
SOUND_CPP = {
    "a class with attributes": "class EXPORT A final : public B {\n  Q_OBJECT\n"
    "public:\n  int f();\n};\n",
    "signals and slots": "class A : public B {\n  Q_OBJECT\npublic slots:\n"
    "  void f();\nQ_SIGNALS:\n  void g();\n};\n",
    "a namespace by macro": "LIB_BEGIN_NAMESPACE\nstruct A { int b; };\nLIB_END_NAMESPACE\n",
    "a namespace with visibility": "namespace std VISIBILITY(default)\n{\nint a;\n}\n",
    "an empty default": "void f(const std::optional<A> &a = {}, int b = 1);\n",
}
BROKEN_C = {
    "a bracket missing": "int f(void) {\n  if (1) {\n    return 2;\n  return 0;\n}\n",
    "a bracket too many": "int f(void) {\n  return (1));\n}\n",
    "a semicolon missing": "int f(void) {\n  int a = 1\n  return a;\n}\n",
    "a call without its semicolon": "int f(void) {\n  puts(1)\n  return 0;\n}\n",
    "a keyword mistyped": "int f(int a) {\n  if (a) {\n    a--;\n  } els {\n    a++;\n  }\n}\n",
    "an operator missing": "int f(int a, int b) {\n  return a b;\n}\n",
    "conflict markers": "int a;\n<<<<<<< HEAD\nint b;\n=======\nint c;\n>>>>>>> other\n",
}


@pytest.mark.parametrize("text", SOUND_C.values(), ids=SOUND_C)
def test_macros_of_c_are_no_errors(text: str) -> None:
    assert errors_in("c", text.encode()).num_bytes > 0, "the sample shows the case"
    assert least_error_bytes("c", text) == 0


@pytest.mark.parametrize("text", SOUND_CPP.values(), ids=SOUND_CPP)
def test_macros_of_cplusplus_are_no_errors(text: str) -> None:
    assert errors_in("cpp", text.encode()).num_bytes > 0, "the sample shows the case"
    assert least_error_bytes("cpp", text) == 0


@pytest.mark.parametrize("text", BROKEN_C.values(), ids=BROKEN_C)
def test_errors_stay_errors(text: str) -> None:
    assert least_error_bytes("c", text) > 0


def test_an_error_stays_beside_macros() -> None:
    text = "API int f(void) NOTHROW;\nint g(void) {\n  return (1;\n}\n"
    assert 0 < least_error_bytes("c", text) < errors_in("c", text.encode()).num_bytes


def test_the_first_reading_that_is_good_enough_counts() -> None:
    text = "API int f(void) NOTHROW;\n"
    first = errors_in("c", text.encode()).num_bytes
    assert least_error_bytes("c", text, enough=first) == first
    assert least_error_bytes("c", text, enough=first - 1) == 0


@pytest.mark.parametrize("grammar", ["c", "cpp"])
def test_the_best_reading_has_no_more_errors_than_the_first(grammar: str) -> None:
    for text in (*SOUND_C.values(), *SOUND_CPP.values(), *BROKEN_C.values(), "", "\x00", ")))"):
        assert least_error_bytes(grammar, text) <= errors_in(grammar, text.encode()).num_bytes


_PIECES = st.lists(
    st.sampled_from(
        [
            *("A", "API", "int", "f", "(", ")", "{", "}", "[", "]", ";", ",", "<", ">", "::", "*"),
            *("\n", " ", "#if A\n", "#endif\n", '"s"', "'", "/*", "*/", "//", "=", ":", "class"),
            *("struct", "enum", "x", "__x", "->", "new", "const", "namespace", "é", "\\"),
        ]
    ),
    max_size=40,
).map(" ".join)


@pytest.mark.parametrize("grammar", ["c", "cpp"])
def test_a_tree_made_of_another_has_the_errors_of_a_fresh_one(grammar: str) -> None:
    directives = "#ifdef A\nint a(\n#else\nint a(int b,\n#endif\nint c);\n#define X {\n"
    for text in (*SOUND_C.values(), *SOUND_CPP.values(), *BROKEN_C.values()):
        with_directives = f"{text}{directives}{text}"
        bare = without_directives(with_directives, cplusplus=grammar == "cpp")
        first = parser_for(grammar).parse(with_directives.encode())
        seen = errors_under(first.root_node)
        again = least.parsed_again(grammar, first, with_directives, bare)
        assert errors_under(again.root_node) == errors_in(grammar, bare.encode())
        assert errors_under(first.root_node) == seen, "the first tree stays as it is"


@settings(max_examples=100)
@given(_PIECES, st.booleans())
def test_any_text_can_be_read_without_its_macros(text: str, cplusplus: bool) -> None:
    everything = [(0, len(text))]
    for everywhere in (True, False):
        bare = without_macros(text, everything, cplusplus=cplusplus, everywhere=everywhere)
        assert bare.count("\n") >= text.count("\n")


def test_strings_and_comments_hold_no_tokens() -> None:
    tokens = tokenize('a /* b */ "c d" R"x(e)" f)x" // g\n\'h\' 1\'000 i')
    assert [*tokens.texts] == ["a", '"c d"', 'R"x(e)" f)x"', "'h'", "1'000", "i"]


def test_tokens_are_of_four_kinds() -> None:
    tokens = tokenize("a_1 é $ L'x' u8\"s\" .5 0x1p+3 1. ... -> :: - /")
    kinds = {"word": 2, "sign": 1, "string": 2, "number": 3}
    assert [*tokens.kinds] == [kind for kind, count in kinds.items() for _ in range(count)] + [
        "sign"
    ] * 5
    assert [*tokens.texts][-5:] == ["...", "->", "::", "-", "/"]


@settings(max_examples=100)
@given(st.one_of(_PIECES, st.text("a_R\"'()/*\\\n 1.eL8-²ª\x85\xa0", max_size=40)))
def test_between_tokens_there_are_blanks_and_comments_alone(text: str) -> None:
    tokens = tokenize(text)
    done = 0
    for one, start, end in zip(tokens.texts, tokens.starts, tokens.ends, strict=True):
        assert text[start:end] == one
        between = text[done:start].strip()
        assert not between or between.startswith(("//", "/*"))
        done = end


def test_brackets_know_their_partner_and_what_is_around() -> None:
    tokens = tokenize("f(a[b], {c}) }")
    assert tokens.partner[1] == 10
    assert tokens.enclosing[4] == 3
    assert tokens.partner[len(tokens) - 1] == -1
    assert Places("", tokens, cplusplus=False).is_in_code(3) is False


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000,
        "{" * 20_000,
        "A(" * 10_000,
        "A B " * 10_000,
        "A(x) " * 5_000,
        "f(f(" * 5_000,
        "class A " * 5_000,
        '"' * 20_000,
        "/*" * 10_000,
        "a<" * 10_000,
        "x = {" * 5_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_take_time_by_their_length_alone(text: str) -> None:
    for everywhere in (True, False):
        without_macros(text, [(0, len(text))], cplusplus=True, everywhere=everywhere)
