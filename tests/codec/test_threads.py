# SPDX-License-Identifier: Apache-2.0
"""Threads change nothing but the time: same bytes, same pixels, same errors; and Python goes on meanwhile."""

import contextlib
import threading
import time

import numpy as np
import pictures
import pytest

import codec

THREADS = [2, 3, 7, 16]


@pytest.mark.parametrize("subsampling", ["444", "420"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"entropy": "huffman-fixed"},
        {"format": "jpeg"},
        {"format": "jpeg", "slice_rows": 2},
        {"slice_rows": 2},
    ],
    ids=str,
)
def test_bytes_and_pixels_do_not_depend_on_threads(subsampling, options):
    image = pictures.street(333, 251)
    data, stats = codec.encode_with_stats(image, quality=70, subsampling=subsampling, **options)
    whole, planes = codec.decode(data), codec.decode_planes(data).planes
    coefficients = codec.decode_coefficients(data).planes
    plan = codec.QuantPlan.uniform(70, image.shape)
    for threads in THREADS:
        again, other = codec.encode_with_stats(
            image, quality=70, subsampling=subsampling, threads=threads, **options
        )
        assert again == data
        for name, value in vars(stats).items():
            assert np.array_equal(getattr(other, name), value), name
        assert np.array_equal(codec.decode(data, threads=threads), whole)
        assert all(map(np.array_equal, codec.decode_planes(data, threads=threads).planes, planes))
        assert all(map(np.array_equal, codec.decode_coefficients(data, threads=threads).planes, coefficients))
        quantized = codec.quantize(image, plan, subsampling, threads=threads)
        assert all(map(np.array_equal, quantized.planes, coefficients))
        assert codec.encode_coefficients(quantized, plan, threads=threads, **options) == data


def test_slices_do_not_change_the_pixels_of_444():
    image = pictures.street(200, 120)
    expected = codec.decode(codec.encode(image, slice_rows=9))
    for rows in (1, 2, 4, 100):
        assert np.array_equal(codec.decode(codec.encode(image, slice_rows=rows), threads=2), expected)


def test_errors_do_not_depend_on_threads():
    data = bytearray(codec.encode(pictures.street(400, 64), slice_rows=1))
    header = codec.read_header(data)
    for i in range(header.header_bytes + 40, len(data), 400):
        data[i] ^= 8
    found = set()
    for threads in (1, *THREADS):
        with pytest.raises(codec.CorruptError) as caught:
            codec.decode(data, threads=threads)
        found.add((caught.value.rule, caught.value.slice, caught.value.offset))
    assert len(found) == 1


def slow_picture():
    """A picture that keeps one core busy for 0.15 s at least."""
    side = 1024
    while True:
        image = pictures.noise(side, side)
        start = time.process_time()
        data = codec.encode(image, quality=95)
        if time.process_time() - start > 0.15 or side > 6000:
            return image, data
        side += side // 2


@pytest.fixture(scope="module")
def slow():
    return slow_picture()


def progress_during(work):
    """(how often this thread came round while `work` ran in another, seconds of work)."""
    times = {}

    def run():
        times["start"] = time.perf_counter()
        work()
        times["end"] = time.perf_counter()

    thread = threading.Thread(target=run)
    stamps = []
    thread.start()
    while thread.is_alive():
        stamps.append(time.perf_counter())
        time.sleep(0.001)
    thread.join()
    assert "end" in times
    margin = 0.2 * (times["end"] - times["start"])
    inside = [t for t in stamps if times["start"] + margin < t < times["end"] - margin]
    return len(inside), times["end"] - times["start"]


@pytest.mark.parametrize("what", ["encode", "decode", "quantize", "coefficients", "planes"])
def test_the_gil_is_released(slow, what):
    image, data = slow
    plan = codec.QuantPlan.uniform(95, image.shape)
    work = {
        "encode": lambda: codec.encode(image, quality=95),
        "decode": lambda: codec.decode(data, max_pixels=2**40),
        "quantize": lambda: codec.quantize(image, plan),
        "coefficients": lambda: codec.decode_coefficients(data),
        "planes": lambda: codec.decode_planes(data),
    }[what]
    count, _ = progress_during(work)
    assert count >= 5  # with the GIL held it would be none in the middle of the call


def test_a_busy_object_raises_instead_of_crashing(slow):
    image, data = slow
    encoder, decoder = codec.Encoder(), codec.Decoder()
    small = image[:16, :16]

    def insist(work):  # the small call may have been first
        while True:
            with contextlib.suppress(RuntimeError):
                return work()

    for work, call in (
        (lambda: encoder.encode(image, quality=95), lambda: encoder.encode(small)),
        (lambda: decoder.decode(data), lambda: decoder.decode(codec.encode(small))),
    ):
        thread = threading.Thread(target=insist, args=(work,))
        refused = 0
        thread.start()
        while thread.is_alive():
            try:
                call()
            except RuntimeError as error:
                assert "busy" in str(error) and not isinstance(error, codec.CodecError)
                refused += 1
            time.sleep(0.002)
        thread.join()
        assert refused > 0
        call()  # and afterwards it can be used


def test_two_objects_at_the_same_time(slow):
    image, data = slow
    results = {}
    threads = [
        threading.Thread(target=lambda: results.update(encode=codec.encode(image, quality=95))),
        threading.Thread(target=lambda: results.update(decode=codec.decode(data))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results["encode"] == data and np.array_equal(results["decode"], codec.decode(data))


def test_many_threads_make_many_contexts():
    image = pictures.street(64, 64)
    expected = codec.encode(image)
    assert codec.encode_batch([image] * 40, threads=8) == [expected] * 40
    pools = [codec.Encoder(threads=8) for _ in range(10)]
    assert all(encoder.encode(image) == expected for encoder in pools)
