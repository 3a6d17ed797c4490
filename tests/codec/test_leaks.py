# SPDX-License-Identifier: Apache-2.0
"""Nothing is left behind, least of all by failures: memory and Python objects stay where they are."""

import ctypes
import gc
import os
import sys
import tracemalloc

import numpy as np
import pictures
import pytest
from broken import FLAT, jpeg, scan, stream

import codec

IMAGE = pictures.street(120, 120)
DATA = codec.encode(IMAGE, slice_rows=1)
JPEG = codec.encode(IMAGE, format="jpeg")
PLAN = codec.QuantPlan.uniform(75, IMAGE.shape)
SET = codec.TableSet.from_log(np.full((3, 8, 8), 60), np.arange(16))
LEVELS = codec.QuantPlan(SET, pictures.levels(*PLAN.level_map.shape, 16))
BY_ID = codec.encode(IMAGE, codec.QuantPlan(SET, PLAN.level_map), tables="id")
MAP = np.arange(25).reshape(5, 5) % 16
MANY = codec.encode(IMAGE, codec.QuantPlan(SET, MAP))
SKIPPED = codec.encode(IMAGE, codec.QuantPlan(SET, np.where(MAP < 15, MAP, codec.SKIP)))
BAD = bytearray(DATA)
BAD[-100] ^= 1


def fails(call, *arguments, **options):
    def attempt():
        try:
            call(*arguments, **options)
        except (ValueError, TypeError, NotImplementedError, RuntimeError):
            return
        raise AssertionError("this was meant to fail")

    return attempt


REUSED = codec.Encoder(), codec.Decoder()
REFINED = codec.encode(IMAGE, PLAN, refine=codec.encode(IMAGE, PLAN.with_scale(3)))
PATHS = {
    "encode": lambda: codec.encode(IMAGE),
    "encode again": lambda: REUSED[0].encode(IMAGE),
    "encode levels as JPEG": lambda: codec.encode(IMAGE, LEVELS, format="jpeg"),
    "decode": lambda: codec.decode(DATA),
    "decode again": lambda: REUSED[1].decode(DATA),
    "decode JPEG": lambda: codec.decode(JPEG),
    "decode with a pool": lambda: codec.decode(DATA, threads=3),
    "planes": lambda: codec.decode_planes(DATA),
    "coefficients": lambda: codec.encode_coefficients(codec.decode_coefficients(DATA)),
    "header": lambda: codec.read_header(DATA),
    "into": lambda: codec.encode_into(bytearray(10**6), IMAGE),
    "base": lambda: codec.decode(DATA, base=IMAGE),
    "table set": lambda: codec.TableSet.from_bytes(SET.to_bytes()),
    "refine": lambda: codec.encode(IMAGE, PLAN, refine=codec.encode(IMAGE, PLAN.with_scale(3))),
    "refined": lambda: codec.decode(REFINED, refine=codec.encode(IMAGE, PLAN.with_scale(3))),
    "other base": fails(codec.decode, REFINED, refine=DATA),
    "no base": fails(codec.decode, REFINED),
    "too small": fails(codec.encode_into, bytearray(99), IMAGE),
    "damaged": fails(codec.decode, BAD),
    "damaged, with a pool": fails(codec.decode, BAD, threads=3),
    "concealed": lambda: codec.decode(BAD, on_damage="conceal", report=[], threads=3),
    "concealed JPEG": fails(codec.decode, JPEG, on_damage="conceal"),
    "levels merged": lambda: codec.transcode(MANY, format="jpeg"),
    "SKIP merged": fails(codec.transcode, SKIPPED, format="jpeg"),
    "damaged coefficients": fails(codec.decode_coefficients, BAD),
    "cut": fails(codec.decode, DATA[:-1]),
    "cut header": fails(codec.decode, DATA[:40]),
    "cut JPEG": fails(codec.decode, JPEG[: len(JPEG) // 2]),
    "bad JPEG": fails(codec.decode, jpeg(data=scan(FLAT)[:-1], end=b"")),
    "no stream": fails(codec.decode, b"nothing of ours"),
    "no block": fails(codec.decode, stream([b""])),
    "limit": fails(codec.decode, DATA, max_pixels=9),
    "missing set": fails(codec.decode, BY_ID),
    "other set": fails(codec.decode, BY_ID, table_sets=[codec.TableSet.ijg(5)]),
    "bad out": fails(codec.decode, DATA, out=np.zeros((3, 3, 3), np.uint8)),
    "bad roi": fails(codec.decode, DATA, roi=(0, 0, 999, 1)),
    "bad image": fails(codec.encode, IMAGE.astype(float)),
    "bad plan": fails(codec.encode, IMAGE[:60], PLAN),
    "bad tables": fails(codec.TableSet, np.zeros((1, 3, 8, 8), int)),
    "bad canonical bytes": fails(codec.TableSet.from_bytes, SET.to_bytes()[:-1]),
    "bad JPEG steps": fails(codec.encode, IMAGE, PLAN.with_scale(99), format="jpeg"),
    "bad cpu": fails(codec.Encoder, cpu="6502"),
}


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", PATHS)
def test_resident_memory_does_not_grow(name):
    call = PATHS[name]
    for _ in range(20):
        call()
    gc.collect()
    before = resident()
    for _ in range(150):
        call()
    gc.collect()
    assert resident() - before < 3_000_000  # a leaked picture a call would be 6 MB, a leaked context far more


class MallInfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in "arena o s h mapped u f used free keep".split())


def heap():
    """Bytes that malloc has given out and not got back: the C core's, to the byte."""
    info = MALLINFO()
    return info.used + info.mapped


MALLINFO = getattr(ctypes.CDLL(None), "mallinfo2", None)
if MALLINFO is not None:
    MALLINFO.restype = MallInfo


@pytest.mark.skipif(MALLINFO is None, reason="asks glibc")
@pytest.mark.parametrize("name", PATHS)
def test_c_memory_does_not_grow(name):
    call = PATHS[name]
    growth = []
    for _ in range(6):
        before = heap()
        for _ in range(15):
            call()
        gc.collect()
        growth.append(heap() - before)
    # Caches fill up in some rounds; a leak grows in every one.
    assert min(growth) < 15 * 16


@pytest.mark.parametrize("name", PATHS)
def test_python_objects_do_not_grow(name):
    call = PATHS[name]
    growth = []
    tracemalloc.start()
    while len(growth) < 40 and min(growth, default=10**6) >= 25 * 16:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(25):
            call()
        gc.collect()
        growth.append(tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    # Caches fill up in the first rounds; a leak grows in every one, and no object is smaller than 16 bytes.
    assert min(growth) < 25 * 16


def test_references_to_arguments_are_given_back():
    image, data, out = IMAGE.copy(), bytearray(DATA), np.empty_like(IMAGE)
    base = codec.decode_planes(DATA)
    table_set = codec.TableSet.ijg(40)
    plan = codec.QuantPlan(table_set, PLAN.level_map)
    things = [image, data, out, base, base.planes[0], plan, plan.level_map, table_set, table_set.tables]
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(5):
        codec.encode(image, plan)
        codec.decode(data, out=out, base=base, table_sets=[table_set])
        fails(codec.decode, data, out=out, base=base, max_pixels=1)()
        fails(codec.encode_into, bytearray(3), image, plan)()
    gc.collect()
    assert [sys.getrefcount(thing) for thing in things] == before
    data.clear()  # a buffer still held would raise BufferError
    into = bytearray(10**6)
    codec.encode_into(into, image)
    into.clear()
