"""How the compiled loops of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable

import numba

__all__ = ["compiled"]


def compiled(function: Callable) -> Callable:
    """numba's njit, without the interpreter's lock, and kept on disk for later processes.

    Where there is nowhere to keep it (neither the package's folder nor the user's cache can be written, and
    $NUMBA_CACHE_DIR names no other), each process compiles anew.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)
