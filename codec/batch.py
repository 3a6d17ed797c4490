# SPDX-License-Identifier: Apache-2.0
"""Many pictures at once: one thread a picture, where `Encoder(threads=n)` shares each picture among n."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from codec import arguments
from codec.damage import LostSlice
from codec.decoder import Decoder
from codec.encoder import Encoder
from codec.types import QuantPlan

__all__ = ["decode_batch", "encode_batch"]


def _run(
    jobs: Sequence[Any], threads: Any, make: Callable[[], Any], work: Callable[[Any, Any], Any], what: str
) -> list[Any]:
    """[work(make(), job) for job in jobs], with one `make()` a thread. Raises the error of the first job that
    failed.
    """
    threads = min(arguments.integer("threads", threads, 1, 256), len(jobs))
    results: list[Any] = [None] * len(jobs)
    failures: list[tuple[int, BaseException]] = []
    counter = iter(range(len(jobs)))
    lock = threading.Lock()
    workers = [make() for _ in range(threads)]

    def loop(worker: Any) -> None:
        while not failures:
            with lock:
                i = next(counter, None)
            if i is None:
                return
            try:
                results[i] = work(worker, jobs[i])
            except BaseException as error:
                with lock:
                    failures.append((i, error))

    helpers = [threading.Thread(target=loop, args=(worker,), daemon=True) for worker in workers[1:]]
    for helper in helpers:
        helper.start()
    if workers:
        loop(workers[0])
    for helper in helpers:
        helper.join()
    if failures:
        i, error = min(failures, key=lambda failure: failure[0])
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"in {what}[{i}]")
        raise error
    return results


def encode_batch(
    images: Iterable[Any],
    plan: QuantPlan | Sequence[QuantPlan] | None = None,
    *,
    threads: int = 1,
    cpu: str = "auto",
    **options: Any,
) -> list[bytes]:
    """Encode pictures side by side.

    Parameters
    ----------
    images : iterable of array_like, uint8
        Each as in `encode`; an array [N, H, W, 3] is one too. Sizes may differ.
    plan : QuantPlan or sequence of QuantPlan, optional
        One for all, or one for each.
    threads : int
        1..256 pictures at a time.
    cpu, **options
        As in `encode`, except ``refine``, which belongs to one picture.

    Returns
    -------
    list of bytes
        ``[encode(image, plan, **options) for image in images]``.

    Raises
    ------
    Exception
        That of the first picture that failed; later ones may not have been tried.

    Examples
    --------
    >>> import numpy as np
    >>> from codec import encode
    >>> images = np.zeros((4, 16, 16, 3), np.uint8)
    >>> [data == encode(images[0], quality=50) for data in encode_batch(images, quality=50, threads=2)]
    [True, True, True, True]
    """
    if "refine" in options:
        raise TypeError("refine belongs to one picture and cannot be given to encode_batch")
    images = list(images)
    if plan is None or isinstance(plan, QuantPlan):
        plans: list[QuantPlan | None] = [plan] * len(images)
    else:
        plans = list(plan)
        if len(plans) != len(images):
            raise ValueError(
                f"plan must be one QuantPlan or one for each of {len(images)} images, got {len(plans)}"
            )
    jobs = list(zip(images, plans, strict=True))
    return _run(
        jobs,
        threads,
        lambda: Encoder(cpu=cpu),
        lambda encoder, job: encoder.encode(*job, **options),
        "images",
    )


def decode_batch(
    datas: Iterable[Any], *, threads: int = 1, cpu: str = "auto", **options: Any
) -> list[np.ndarray]:
    """Decode streams side by side.

    Parameters
    ----------
    datas : iterable of bytes-like
    threads : int
        1..256 pictures at a time.
    cpu, **options
        As in `decode`, except ``out``, ``base`` and ``refine``, which belong to one picture. A ``report``
        gets one list for each picture: ``report[i]`` says what ``datas[i]`` lost.

    Returns
    -------
    list of ndarray
        ``[decode(data, **options) for data in datas]``.

    Raises
    ------
    Exception
        That of the first stream that failed; later ones may not have been tried.

    Examples
    --------
    >>> import numpy as np
    >>> from codec import encode
    >>> data, report = encode(np.zeros((16, 16), np.uint8)), []
    >>> pictures = decode_batch([data, data[:-1]], on_damage="conceal", report=report)
    >>> [len(lost) for lost in report]
    [0, 1]
    """
    for name in ("out", "base", "refine"):
        if name in options:
            raise TypeError(f"{name} belongs to one picture and cannot be given to decode_batch")
    if isinstance(datas, (bytes, bytearray, memoryview)):
        raise TypeError("datas must be an iterable of bytes-like objects, got one")
    report = options.pop("report", None)
    if report is not None and not isinstance(report, list):
        raise TypeError(f"report must be a list to append to, got {type(report).__name__}")
    jobs: list[tuple[Any, list[LostSlice]]] = [(data, []) for data in datas]
    results = _run(
        jobs,
        threads,
        lambda: Decoder(cpu=cpu),
        lambda decoder, job: decoder.decode(job[0], report=job[1], **options),
        "datas",
    )
    if report is not None:
        report.extend(lost for _, lost in jobs)
    return results
