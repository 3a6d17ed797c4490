# SPDX-License-Identifier: Apache-2.0
"""Forms of arguments: arrays, strides, buffers, copies, objects that are used again."""

import copy
import pickle
import subprocess
import sys
from math import ceil

import numpy as np
import pictures
import pytest

import codec

IMAGE = pictures.street(50, 66)
DATA = codec.encode(IMAGE)


def test_defaults_are_quality_75_and_444():
    assert DATA == codec.encode(
        IMAGE, quality=75, subsampling="444", format="rdct", entropy="huffman", tables="inline"
    )
    assert DATA == codec.encode(IMAGE, codec.QuantPlan.uniform(75, IMAGE.shape))
    assert isinstance(DATA, bytes) and DATA.startswith(b"RDCT")


def big(image):
    frame = np.full((image.shape[0] + 9, image.shape[1] + 7, *image.shape[2:]), 77, np.uint8)
    frame[4:-5, 3:-4] = image
    return frame[4:-5, 3:-4]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: big(a),
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[:, ::-1].copy()[:, ::-1],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.swapaxes(np.ascontiguousarray(np.swapaxes(a, 0, 1)), 0, 1),
        lambda a: memoryview(np.ascontiguousarray(a)),
        lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].reshape(a.shape),
    ],
    ids=["crop", "rows reversed", "every other row", "columns reversed", "every other column", "fortran",
    "transposed",
         "memoryview", "misaligned and read-only"],
)  # fmt: skip
def test_any_layout_gives_the_same_bytes(view, channels):
    image = IMAGE if channels == 3 else IMAGE[:, :, 1].copy()
    assert codec.encode(view(image)) == codec.encode(image)


def test_channels_last_of_planar_memory():
    planar = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))
    assert codec.encode(planar.transpose(1, 2, 0)) == DATA


def test_channel_slice_of_rgba():
    rgba = np.dstack([IMAGE, IMAGE[:, :, :1]])
    assert codec.encode(rgba[:, :, :3]) == DATA


def test_broadcast_rows():
    row = IMAGE[7]
    assert codec.encode(np.broadcast_to(row, (50, *row.shape))) == codec.encode(
        np.repeat(row[None], 50, axis=0)
    )


def test_one_channel_is_grey():
    grey = IMAGE[:, :, 0].copy()
    data = codec.encode(grey)
    assert (
        codec.encode(grey[:, :, None])
        == data
        == codec.encode(grey, subsampling="420")
        == codec.encode(grey, subsampling="grey")
    )
    assert codec.read_header(data).subsampling == "grey"
    assert codec.decode(data).shape == grey.shape
    assert codec.encode(IMAGE[:, :, :1]) == data  # pixels three bytes apart: copied


def test_array_interface_is_enough():
    class Wrapped:
        __array_interface__ = IMAGE.__array_interface__

    assert codec.encode(Wrapped()) == DATA


def test_the_picture_is_not_changed():
    image = IMAGE.copy()
    image.flags.writeable = False
    codec.encode(image)
    assert np.array_equal(image, IMAGE)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda d: np.frombuffer(d, np.uint8)])
def test_data_may_be_any_buffer(wrap):
    assert np.array_equal(codec.decode(wrap(DATA)), codec.decode(DATA))
    assert codec.read_header(wrap(DATA)).total_bytes == len(DATA)
    assert codec.decode_coefficients(wrap(DATA)).width == 66
    assert codec.decode_planes(wrap(DATA)).width == 66


# ------------------------------------------------------------------------------------------- out and into


def test_encode_into_a_buffer():
    for out in (
        bytearray(len(DATA) + 5),
        np.zeros(len(DATA) + 5, np.uint8),
        memoryview(bytearray(len(DATA) + 5)),
    ):
        assert codec.encode_into(out, IMAGE) == len(DATA)
        assert bytes(out) == DATA + bytes(5)
    exact = bytearray(len(DATA))
    codec.encode_into(exact, IMAGE)
    assert exact == DATA


def test_bound_is_enough_for_noise():
    for subsampling in ("444", "422", "420"):
        for size in ((1, 1), (33, 17), (64, 64)):
            image = pictures.noise(*size)
            out = bytearray(codec.encode_bound(image.shape, subsampling))
            for options in ({}, {"entropy": "huffman-fixed"}, {"format": "jpeg"}, {"slice_rows": 2}):
                assert codec.encode_into(out, image, quality=100, subsampling=subsampling, **options) > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_decode_into_out(dtype):
    expected = codec.decode(DATA, dtype=dtype)
    assert expected.dtype == dtype and expected.flags.owndata and expected.flags.c_contiguous
    for make in (
        lambda: np.zeros((50, 66, 3), dtype),
        lambda: np.zeros((60, 80, 3), dtype)[5:55, 7:73],
        lambda: np.zeros((50, 66, 3), dtype)[::-1],
        lambda: np.zeros((100, 66, 3), dtype)[::2],
    ):
        out = make()
        around = out.base.copy() if out.base is not None else None
        assert codec.decode(DATA, dtype=dtype, out=out) is out
        assert np.array_equal(out, expected)
        if around is not None:  # and nothing else was written
            written = out.copy()
            out[...] = 0
            assert np.array_equal(out.base, around)
            out[...] = written


def test_decode_into_a_grey_out_and_a_roi():
    data = codec.encode(IMAGE[:, :, 0])
    out = np.zeros((10, 40), np.uint8)[:, 3:23]
    codec.decode(data, out=out, roi=(5, 6, 25, 16))
    assert np.array_equal(out, codec.decode(data)[6:16, 5:25])


def test_results_outlive_everything():
    array = codec.decode(bytearray(DATA))
    planes = codec.Decoder().decode_planes(DATA).planes
    assert array.base is None and all(plane.base is None for plane in planes)


def test_sample_types_are_one_picture():
    eight, sixteen, real = (codec.decode(DATA, dtype=t) for t in (np.uint8, np.uint16, np.float32))
    assert sixteen.dtype == np.uint16 and real.dtype == np.float32
    assert abs(sixteen / 257 - real).max() < 0.01
    assert abs(real - eight).max() <= 0.51
    assert real.min() >= 0 and real.max() <= 255
    assert len(np.unique(real)) > len(np.unique(eight))  # there is something behind the rounding
    white = codec.encode(np.full((8, 8, 3), 255, np.uint8), quality=100)
    assert codec.decode(white, dtype=np.uint16).max() == 65535
    assert codec.decode(white, dtype=np.float32).max() == 255
    assert codec.decode(white, dtype="float32").dtype == np.float32


# ------------------------------------------------------------------------------------------ objects again


def test_encoder_and_decoder_can_be_used_again():
    encoder, decoder = codec.Encoder(threads=2), codec.Decoder(threads=2)
    assert encoder.threads == decoder.threads == 2
    for seed, (h, w) in enumerate([(50, 66), (8, 8), (200, 100), (1, 1), (50, 66)]):
        for options in ({"subsampling": "420"}, {"format": "jpeg"}, {"entropy": "huffman-fixed"}):
            image = pictures.street(h, w, seed=seed)
            data = encoder.encode(image, **options)
            assert data == codec.encode(image, **options)
            assert np.array_equal(decoder.decode(data), codec.decode(data))
        assert encoder.encode_with_stats(image)[0] == codec.encode(image)
        plan = codec.QuantPlan.uniform(75, image.shape)
        assert encoder.encode_coefficients(encoder.quantize(image, plan), plan) == codec.encode(image, plan)
        assert np.array_equal(encoder.encode_planes(image).planes[0], codec.encode_planes(image).planes[0])
        assert np.array_equal(decoder.decode_planes(data).planes[0], codec.decode_planes(data).planes[0])


def test_an_object_is_usable_after_an_error():
    encoder, decoder = codec.Encoder(), codec.Decoder()
    with pytest.raises(codec.BufferTooSmallError):
        encoder.encode_into(bytearray(10), IMAGE)
    assert encoder.encode(IMAGE) == DATA
    with pytest.raises(codec.BitstreamError):
        decoder.decode(DATA[:-1])
    assert np.array_equal(decoder.decode(DATA), codec.decode(DATA))


def test_cpu_is_named(monkeypatch):
    assert codec.Encoder(cpu="c").cpu == codec.Decoder(cpu="c").cpu == "c"
    assert codec.Encoder().cpu in ("c", "ssse3", "avx2", "avx512", "neon")
    monkeypatch.setenv("RDCT_CPU", "c")
    assert codec.Encoder().cpu == "c"


# ------------------------------------------------------------------------------------------- plans and sets


def sample_set():
    bands = np.zeros((2, 4, 256), np.uint8)
    bands[:, ::2, :12] = 4
    bands[:, 1::2, [run * 16 + size for run in range(16) for size in range(1, 11)]] = 8
    bands[:, 1::2, [0x00, 0xF0]] = 7
    return codec.TableSet.from_log(np.arange(192).reshape(3, 8, 8), [-8, 0, 8], bands)


def test_table_set_and_plan_can_be_pickled_and_copied():
    table_set = sample_set()
    plan = codec.QuantPlan(table_set, [[0, 2], [codec.SKIP, 1]], region_blocks=2, scale=1.5)
    for again in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan), copy.copy(plan)):
        assert again == plan and hash(again) == hash(plan)
        assert again.table_set == table_set and again.table_set.id == table_set.id
        assert np.array_equal(again.table_set.bands, table_set.bands)
        assert np.array_equal(again.table_set.log_base, table_set.log_base)
    image = pictures.street(30, 30)
    assert codec.encode(image, pickle.loads(pickle.dumps(plan))) == codec.encode(image, plan)


def test_plans_differ_in_each_part():
    plan = codec.QuantPlan(sample_set(), [[0, 2], [1, 1]], region_blocks=2)
    assert plan == codec.QuantPlan(sample_set(), np.array([[0, 2], [1, 1]], np.uint8), 2, 1.0)
    assert plan != plan.with_scale(2) and plan != plan.with_map([[0, 2, 1, 1]])
    assert plan != codec.QuantPlan(plan.tables, plan.level_map, 2)  # other tables' form, other id
    assert plan != codec.QuantPlan(sample_set(), plan.level_map, 3) and plan != "plan"


def test_plan_and_set_are_frozen():
    tables = codec.ijg_table(75)[None].copy()
    level_map = np.zeros((3, 3), np.uint8)
    plan = codec.QuantPlan(tables, level_map)
    tables[...], level_map[...] = 99, 7
    assert plan.tables.max() < 99 and plan.level_map.max() == 0
    for array in (plan.tables, plan.level_map, plan.table_set.bands):
        with pytest.raises(ValueError):
            array[...] = 1
    with pytest.raises(AttributeError):
        plan.scale_q8 = 3
    with pytest.raises(AttributeError):
        plan.table_set.tables = tables


def test_scale_is_kept_in_256ths():
    plan = codec.QuantPlan.uniform(50, (24, 24))
    assert plan.scale == 1.0 and plan.scale_q8 == 256
    assert plan.with_scale(0.7).scale_q8 == 179 and plan.with_scale(0.7).scale == 179 / 256
    assert plan.with_scale(1 / 256).scale_q8 == 1 and plan.with_scale(255.99609375).scale_q8 == 65535
    for scale in (0.004, 0.5, 1.0, 3.3, 255.9):
        steps = np.clip((plan.tables.astype(int) * plan.with_scale(scale).scale_q8 + 128) // 256, 1, 4095)
        assert np.array_equal(plan.with_scale(scale).steps, steps)


def test_map_shape():
    for height in (1, 7, 8, 9, 23, 24, 25, 360):
        for width in (1, 8, 65, 480):
            for r in range(1, 9):
                expected = tuple(ceil(ceil(side / 8) / r) for side in (height, width))
                assert codec.map_shape(height, width, r) == expected
    assert codec.QuantPlan.uniform(75, (360, 480, 3)).level_map.shape == (15, 20)


def test_reprs_are_short():
    plan = codec.QuantPlan(sample_set(), np.zeros((15, 20), np.uint8))
    coefficients = codec.quantize(pictures.street(360, 480), plan)
    for one in (
        plan,
        plan.table_set,
        coefficients,
        codec.read_header(DATA),
        codec.encode_with_stats(IMAGE)[1],
    ):
        assert len(repr(one)) < 700


# -------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_are_the_single_calls(threads):
    images = [pictures.street(20 + 7 * i, 30 + i, seed=i) for i in range(7)]
    plans = [codec.QuantPlan.uniform(40 + i, image.shape) for i, image in enumerate(images)]
    datas = codec.encode_batch(images, plans, threads=threads, subsampling="420")
    assert datas == [codec.encode(i, p, subsampling="420") for i, p in zip(images, plans, strict=True)]
    for array, data in zip(codec.decode_batch(datas, threads=threads, dtype=np.float32), datas, strict=True):
        assert np.array_equal(array, codec.decode(data, dtype=np.float32))
    assert codec.encode_batch([], threads=threads) == codec.decode_batch([]) == []
    stack = np.stack([IMAGE, IMAGE[::-1]])
    assert codec.encode_batch(stack, quality=30) == [codec.encode(one, quality=30) for one in stack]


def test_batch_raises_the_first_error_and_says_where():
    datas = [DATA, DATA[:-1], b"", DATA]
    with pytest.raises(codec.TruncatedError) as caught:
        codec.decode_batch(datas, threads=1)
    if sys.version_info >= (3, 11):
        assert "datas[1]" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="for each of 2"):
        codec.encode_batch([IMAGE, IMAGE], [codec.QuantPlan.uniform(75, IMAGE.shape)])
    with pytest.raises(TypeError, match="out"):
        codec.decode_batch([DATA], out=[None])
    with pytest.raises(TypeError, match="datas"):
        codec.decode_batch(DATA)


# --------------------------------------------------------------------------------------------------- import


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_import_brings_nothing_but_numpy():
    heavy = "torch PIL scipy numba cv2 concurrent.futures asyncio multiprocessing"
    code = f"import sys, codec; print([m for m in {heavy.split()!r} if m in sys.modules])"
    assert run_python(code) == "[]"


def test_import_is_quick():
    code = "import time, numpy; t = time.process_time(); import codec; print(time.process_time() - t)"
    assert min(float(run_python(code)) for _ in range(3)) < 0.05  # processor seconds; 0.01 on an idle machine


def test_everything_public_is_exported_and_documented():
    for name in codec.__all__:
        thing = getattr(codec, name)
        if not isinstance(thing, (int, str, np.ndarray)):
            assert thing.__doc__, name
    assert sorted(codec.__all__, key=str) == sorted(set(codec.__all__), key=str)


def test_one_version():
    from importlib.metadata import version

    from codec import _core

    assert codec.__version__ == _core.version() == version("rdct")


def test_python_and_c_name_the_same_options():
    from codec import _core

    assert (_core.MAX_LEVELS, _core.MAX_REGION_BLOCKS, _core.MAX_SIDE, _core.MAX_STEP) == (64, 8, 65535, 4095)
    assert list(_core.SUBSAMPLINGS.values()) == [0, 1, 2, 3] and codec.SKIP == 255
