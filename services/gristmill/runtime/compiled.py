"""Compiling hot loops: numba behind one decorator, so that a kernel reads as plain Python.

The machine code is kept beside the source, or in the user's cache directory, and loaded from there
the next time. Integers in kernels need care: numba widens uint32 products to 64 bits.
"""

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function for speed: no Python objects inside, the interpreter's lock released.

    Where no directory for the machine code can be written, every process compiles for itself.
    """
    try:
        made: F = numba.njit(function, cache=True, nogil=True, boundscheck=False)
    except RuntimeError:  # numba: "cannot cache function", no locator found
        made = numba.njit(function, nogil=True, boundscheck=False)
    return made
