"""Tasks measured by a few processes, each with its own network; what comes back, in the order it comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

__all__ = ["Measures", "spread"]

T = TypeVar("T")


class Measures(Protocol):
    """What a worker holds: it turns a task into records, one after the other."""

    def measure(self, task: Any) -> Iterator[dict[str, Any]]: ...


def spread(
    make: Callable[[], Measures],
    tasks: Sequence[T],
    jobs: int,
    *,
    local: Callable[[], Measures] | None = None,
) -> Iterator[tuple[T, list[dict[str, Any]], str | None]]:
    """Measure every task.

    Parameters
    ----------
    make : callable
        Makes what a worker needs, inside the worker; must survive pickling.
    tasks : sequence
        Taken up in this order.
    jobs : int
        Processes; with 1, or a single task, everything happens in this one.
    local : callable, optional
        In place of `make` for this process, which may hold the network already.

    Yields
    ------
    (task, records, error)
        With `error` the records before it; one bad task does not stop the others.
    """
    if jobs <= 1 or len(tasks) <= 1:
        bench = (local or make)()
        for task in tasks:
            yield task, *_collect(bench, task)
        return
    import multiprocessing

    with ProcessPoolExecutor(
        max_workers=min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(make,),
    ) as pool:
        try:
            waiting = {pool.submit(_work, task): task for task in tasks}
            for future in as_completed(waiting):
                yield waiting[future], *future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _collect(bench: Measures, task: Any) -> tuple[list[dict[str, Any]], str | None]:
    """The records of a task, and what went wrong after the last of them."""
    found: list[dict[str, Any]] = []
    try:
        for record in bench.measure(task):
            found.append(record)
    except Exception as error:  # one bad picture or system must not stop the others
        return found, f"{type(error).__name__}: {error}"
    return found, None


# ------------------------------------------------------------------------------------- in the workers

_bench: Measures | None = None


def _start(make: Callable[[], Measures]) -> None:
    """Make a worker ready; it leaves Ctrl-C to the parent and does not outlive it."""
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _bench = make()


def _die_with_parent() -> None:
    import multiprocessing.connection
    import os

    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(task: Any) -> tuple[list[dict[str, Any]], str | None]:
    return _collect(_bench, task)
