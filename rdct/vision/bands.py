"""Compiled loops over the rows of a picture, in a few threads of our own.

Not numba's own threads: those spin while they wait, which takes the cores from OpenCV and from the codec,
and not every threading layer of numba's may be entered from two threads at once. The kernels release the
interpreter's lock, so ordinary threads do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

__all__ = ["in_bands", "thread_count"]

# Fewer rows than this a thread are not worth waking one for.
_MIN_ROWS = 64


def thread_count(threads: int | None) -> int:
    """`threads`, or the processors this process may use where it is None."""
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"threads must be at least 1 (None: as many as there are processors), got {threads}")
    return threads


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # By process, as threads do not survive a fork.
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="rdct-bands")


def in_bands(kernel: Callable, rows: int, threads: int | None, *arguments: Any) -> list:
    """Call ``kernel(start, stop, *arguments)`` for bands of rows that together are ``0 .. rows``.

    Parameters
    ----------
    kernel : callable
        Releases the interpreter's lock; bands must not depend on one another.
    rows : int
    threads : int or None
        At most so many bands; None: one a processor.

    Returns
    -------
    list
        What the calls returned, from top to bottom.
    """
    bands = max(1, min(thread_count(threads), rows // _MIN_ROWS))
    edges = [rows * band // bands for band in range(bands + 1)]
    pool = _pool(os.getpid()) if bands > 1 else None
    (start, stop), *rest = pairwise(edges)
    others = [pool.submit(kernel, *band, *arguments) for band in rest]
    return [kernel(start, stop, *arguments), *(other.result() for other in others)]
