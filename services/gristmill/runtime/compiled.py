"""Compiling hot loops: numba behind one decorator, so that a kernel reads as plain Python.

The machine code is kept beside the source, or in the user's cache directory, and loaded from there
the next time. Integers in kernels need care: numba widens uint32 products to 64 bits.

Kept code is made anew when the file of its kernel changes; not when a constant that it imports
from another file does. Whoever changes BANDS, say, touches the files of the kernels too.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache


class _Cache(FunctionCache):
    """numba's own cache, to which a full disk is no error: then nothing is kept."""

    def save_overload(self, sig: Any, data: Any) -> None:  # noqa: ANN401  # numba's own
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function for speed: no Python objects inside, the interpreter's lock released.

    Where no directory for the machine code can be written, every process compiles for itself.
    """
    made = numba.njit(function, nogil=True, boundscheck=False)
    with suppress(RuntimeError):  # numba: no directory was found
        made._cache = _Cache(function)  # type: ignore[no-untyped-call]  # what cache=True does, with ours
    dispatcher: F = made
    return dispatcher
