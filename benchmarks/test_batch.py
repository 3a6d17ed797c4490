# SPDX-License-Identifier: Apache-2.0
"""Many pictures: one thread a picture, against a pool that calls the peer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import codec
from benchmarks.settings import Setting

PICTURES = 4
THREADS = (1, 2)


@pytest.fixture
def images(setting: Setting) -> list[np.ndarray]:
    """The picture turned sideways by different amounts: as hard, and not the same bytes."""
    width = setting.picture.rgb.shape[1]
    return [np.roll(setting.picture.rgb, i * width // PICTURES, axis=1) for i in range(PICTURES)]


@pytest.fixture(params=THREADS, ids=["1 thread", "2 threads"])
def threads(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(threads) as pool:
        yield pool


def test_encode_ours(
    timed: Callable, setting: Setting, images: list, threads: int, pool: ThreadPoolExecutor
) -> None:
    options = {"subsampling": setting.subsampling, "entropy": "huffman-fixed", "tables": "id"}

    def ours(threads: int = threads) -> list[bytes]:
        return codec.encode_batch(images, setting.plan, threads=threads, **options)

    datas = ours()
    assert datas == [codec.encode(image, setting.plan, cpu="c", **options) for image in images]
    against = {setting.peer.name: lambda: peer_encode(setting, images, pool)}
    if threads > 1:
        against["1 thread"] = lambda: ours(1)
    timed(
        ours,
        group=f"batch encode {setting.subsampling}",
        row=f"encode_batch{with_threads(threads)}",
        against=against,
        **info(setting, threads),
        bytes=sum(map(len, datas)),
        bpp=8 * sum(map(len, datas)) / (PICTURES * setting.picture.pixels),
    )


def test_encode_peer(
    timed: Callable, setting: Setting, images: list, threads: int, pool: ThreadPoolExecutor
) -> None:
    datas = peer_encode(setting, images, pool)
    assert datas[0] == setting.peer_jpeg
    timed(
        lambda: peer_encode(setting, images, pool),
        group=f"batch encode {setting.subsampling}",
        row=peer_row(setting, threads),
        **peer_info(setting, threads),
        bytes=sum(map(len, datas)),
        bpp=8 * sum(map(len, datas)) / (PICTURES * setting.picture.pixels),
    )


def test_decode_ours(
    timed: Callable, setting: Setting, images: list, threads: int, pool: ThreadPoolExecutor
) -> None:
    options = {"subsampling": setting.subsampling, "entropy": "huffman-fixed", "tables": "id"}
    sets = (setting.plan.table_set,)
    datas = codec.encode_batch(images, setting.plan, threads=2, **options)
    jpegs = peer_encode(setting, images, pool)

    def ours(threads: int = threads) -> list[np.ndarray]:
        return codec.decode_batch(datas, threads=threads, table_sets=sets)

    for pixels, data in zip(ours(), datas, strict=True):
        assert np.array_equal(pixels, codec.decode(data, table_sets=sets, cpu="c"))
    against = {setting.peer.name: lambda: list(pool.map(setting.peer.decode, jpegs))}
    if threads > 1:
        against["1 thread"] = lambda: ours(1)
    timed(
        ours,
        group=f"batch decode {setting.subsampling}",
        row=f"decode_batch{with_threads(threads)}",
        against=against,
        **info(setting, threads),
    )


def test_decode_peer(
    timed: Callable, setting: Setting, images: list, threads: int, pool: ThreadPoolExecutor
) -> None:
    jpegs = peer_encode(setting, images, pool)
    assert np.array_equal(setting.peer.to_rgb(setting.peer.decode(jpegs[0])), setting.peer_pixels)
    timed(
        lambda: list(pool.map(setting.peer.decode, jpegs)),
        group=f"batch decode {setting.subsampling}",
        row=peer_row(setting, threads),
        **peer_info(setting, threads),
    )


def peer_encode(setting: Setting, images: list, pool: ThreadPoolExecutor) -> list[bytes]:
    def one(image: np.ndarray) -> bytes:
        return setting.peer.encode(setting.peer.prepare(image), setting.quality, setting.subsampling)

    return list(pool.map(one, images))


def peer_row(setting: Setting, threads: int) -> str:
    return setting.peer.name + with_threads(threads)


def with_threads(threads: int) -> str:
    return "" if threads == 1 else f", {threads} threads"


def info(setting: Setting, threads: int) -> dict:
    return {
        "pixels": PICTURES * setting.picture.pixels,
        "codec": "rdct",
        "version": codec.__version__,
        "cpu": codec.Encoder().cpu,
        "threads": threads,
    }


def peer_info(setting: Setting, threads: int) -> dict:
    return {
        "pixels": PICTURES * setting.picture.pixels,
        "codec": setting.peer.name,
        "version": setting.peer.version,
        "cpu": "own choice",
        "threads": threads,
    }
