"""The words of C and C++ by what they do in a declaration, and how macros are spelled."""

from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SPECIFIERS: Final = _set(
    "static extern inline const volatile register typedef constexpr consteval constinit virtual "
    "explicit friend mutable restrict thread_local __inline __inline__ __restrict __restrict__ "
    "__extension__ __thread _Thread_local _Noreturn _Atomic __volatile__"
)
TYPES: Final = _set(
    "void char short int long float double signed unsigned bool _Bool auto wchar_t char16_t "
    "char32_t char8_t __int128 _Complex decltype"
)
TAGS: Final = frozenset(("struct", "union", "enum", "class"))
KEYWORDS: Final = _set(
    "if else for while do switch case default break continue return goto sizeof new delete throw "
    "try catch using namespace template operator public protected private this co_await co_return "
    "co_yield asm __asm__ __asm static_assert _Static_assert alignas alignof typeof __typeof__ "
    "and or not xor final override noexcept requires typename"
)
RESERVED: Final = SPECIFIERS | TYPES | TAGS | KEYWORDS
STATEMENTS: Final = frozenset(("return", "goto", "break", "continue", "if", "for", "while", "do"))
ATTRIBUTES: Final = frozenset(("__attribute__", "__attribute", "__declspec"))


def is_macro(word: str, *, cplusplus: bool) -> bool:
    """Return whether a word is spelled as macros are.

    Libraries of C++ name everything with leading underscores, so there they tell nothing.

    >>> [is_macro(word, cplusplus=False) for word in ("API", "PyObject_HEAD", "__wur", "size_t")]
    [True, True, True, False]
    """
    if len(word) < 2 or word in RESERVED:
        return False
    if word.isupper():
        return True
    end = word.rpartition("_")[2]
    if (len(end) > 2 and end.isupper()) or "attribute" in word or "fall_through" in word:
        return True
    return word[0] == "_" and not cplusplus and (word[1] == "_" or word[1].isupper())
