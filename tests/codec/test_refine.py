# SPDX-License-Identifier: Apache-2.0
"""Refinement streams (docs/bitstream.md, section 10): the integers of a direct encode, from a base."""

import dataclasses

import numpy as np
import pictures
import pytest
import reference
from broken import varint
from hypothesis import given
from hypothesis import strategies as st

import codec

#: Two fine levels and two coarse ones, of thrice and nine times the steps of the first: there refining pays.
TABLES = codec.TableSet(
    np.stack([codec.ijg_table(q) for q in (85, 80)] + [3 * codec.ijg_table(85), 9 * codec.ijg_table(85)])
)
SAMPLINGS = ["444", "422", "420", "grey"]
LARGER = {"refine_limit": None}


def picture(height, width, subsampling="444", seed=0):
    return pictures.street(height, width, 1 if subsampling == "grey" else 3, seed)


def maps(shape, seed=0, skip=1):
    """A coarse map (levels 2, 3) and a fine one (0, 1), both with SKIP, in different places."""
    coarse = pictures.levels(*shape, 2, seed, skip)
    fine = pictures.levels(*shape, 2, seed + 100, 2 * skip)
    if skip and fine.size > 1:
        fine[0, -1], fine[-1, 0] = codec.SKIP, 0
    return np.where(coarse == codec.SKIP, coarse, coarse + 2).astype(np.uint8), fine


def pair(height, width, subsampling="444", region_blocks=3, seed=0, slice_rows=None, skip=1, **options):
    """(image, plan of the fine stream, its options, coarse stream)"""
    image = picture(height, width, subsampling, seed)
    coarse, fine = maps(codec.map_shape(height, width, region_blocks), seed, skip)
    options = {"subsampling": subsampling, "slice_rows": slice_rows, **options}
    low = codec.encode(image, codec.QuantPlan(TABLES, coarse, region_blocks), **options)
    return image, codec.QuantPlan(TABLES, fine, region_blocks), options, low


def same(a, b):
    return len(a) == len(b) and all(map(np.array_equal, a, b))


def rungs():
    found = []
    for cpu in ("c", "ssse3", "avx2", "avx512", "neon"):
        try:
            found.append(codec.Encoder(cpu=cpu).cpu)
        except ValueError:
            continue
    return found


def parsed(data):
    return reference.parse(data, [TABLES])


# ------------------------------------------------------------------------------------------ the same integers


@pytest.mark.parametrize("region_blocks", range(1, 9))
@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("limit", [None, 1.1])
def test_a_refinement_is_a_direct_encode(subsampling, region_blocks, limit):
    """By our decoder and by the reader of the page, for every shape of regions."""
    image, plan, options, low = pair(77, 107, subsampling, region_blocks, seed=region_blocks, slice_rows=2)
    data = codec.encode(image, plan, refine=low, refine_limit=limit, **options)
    direct = codec.decode_coefficients(codec.encode(image, plan, **options))
    found = codec.decode_coefficients(data, refine=low)
    assert same(found.planes, direct.planes)
    chroma = 1 if subsampling == "grey" else 3
    assert np.array_equal(found.level_map, plan.level_map)
    assert np.array_equal(found.tables[:, :chroma], plan.steps[:, :chroma])
    base = parsed(low)
    stream = parsed(data)
    planes = reference.coefficients(stream, (base, reference.coefficients(base)))
    assert same(planes, direct.planes)
    possible = (plan.level_map != codec.SKIP) & (base.level_map != codec.SKIP)
    assert not stream.refined[~possible].any()
    assert limit or stream.refined.any() or not possible.any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (8, 8), (9, 17), (64, 48)])
@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("entropy", ["huffman", "huffman-fixed"])
def test_sizes(height, width, subsampling, entropy):
    image, plan, options, low = pair(height, width, subsampling, 2, skip=0, entropy=entropy)
    data = codec.encode(image, plan, refine=low, **LARGER, **options)
    direct = codec.encode(image, plan, **options)
    assert same(codec.decode_coefficients(data, refine=low).planes, codec.decode_coefficients(direct).planes)
    assert np.array_equal(codec.decode(data, refine=low), codec.decode(direct))
    assert same(codec.decode_planes(data, refine=low).planes, codec.decode_planes(direct).planes)


@pytest.mark.parametrize("entropy", ["huffman", "huffman-fixed"])
@pytest.mark.parametrize("subsampling", ["420", "444"])
def test_bytes_and_pixels_do_not_depend_on_the_machine(subsampling, entropy):
    image, plan, options, low = pair(150, 170, subsampling, 3, slice_rows=2, entropy=entropy)
    data = codec.encode(image, plan, refine=low, **options)
    pixels = codec.decode(data, refine=low)
    assert {"c"} <= set(rungs())
    for cpu in rungs():
        for threads in (1, 2, 5):
            assert codec.encode(image, plan, refine=low, cpu=cpu, threads=threads, **options) == data
            assert np.array_equal(codec.decode(data, refine=low, cpu=cpu, threads=threads), pixels)
    assert codec.encode(image[::-1][::-1], plan, refine=low, **options) == data


def test_one_object_after_another():
    """Scratch memory of one call means nothing to the next."""
    encoder, decoder = codec.Encoder(threads=2), codec.Decoder(threads=2)
    for size in (40, 150, 24):
        image, plan, options, low = pair(size, size + 9, "420")
        data = encoder.encode(image, plan, refine=low, **options)
        assert data == codec.encode(image, plan, refine=low, **options)
        assert encoder.encode(image, plan, **options) == codec.encode(image, plan, **options)
        assert np.array_equal(decoder.decode(data, refine=low), codec.decode(data, refine=low))
        assert np.array_equal(decoder.decode(low), codec.decode(low))


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    subsampling=st.sampled_from(SAMPLINGS),
    region_blocks=st.integers(1, 8),
    scales=st.tuples(st.floats(0.02, 12), st.floats(0.02, 12)),
    seed=st.integers(0, 99),
)
def test_any_steps(height, width, subsampling, region_blocks, scales, seed):
    """Finer, coarser or equal: the prediction is only a prediction."""
    image, plan, options, _ = pair(height, width, subsampling, region_blocks, seed)
    coarse, _ = maps(plan.level_map.shape, seed)
    low = codec.quantize(image, plan.with_map(coarse).with_scale(scales[0]), subsampling)
    plan = plan.with_scale(scales[1])
    data = codec.encode(image, plan, refine=low, **LARGER, **options)
    wanted = codec.quantize(image, plan, subsampling)
    assert same(codec.decode_coefficients(data, refine=low).planes, wanted.planes)


def test_the_same_picture_again_costs_next_to_nothing():
    image, plan, options, _ = pair(120, 120, skip=0)
    low, first = codec.encode_with_stats(image, plan, **options)
    data, stats = codec.encode_with_stats(image, plan, refine=low, **LARGER, **options)
    assert stats.fresh_regions == 0 and stats.nonzero == 0
    assert stats.slice_bytes < first.slice_bytes / 10
    assert np.array_equal(codec.decode(data, refine=low), codec.decode(low))


def test_coefficients_from_outside():
    """What no picture has: differences that the entropy coder cannot say make their regions fresh."""
    image, plan, _, _ = pair(48, 72, "420", skip=0)
    fine = codec.quantize(image, plan, "420")
    rng = np.random.default_rng(5)
    planes = tuple(rng.integers(-1023, 1024, plane.shape).astype(np.int16) for plane in fine.planes)
    for plane in planes:
        plane[..., 0, 0] //= 2
    low = dataclasses.replace(fine, planes=planes, tables=np.full_like(fine.tables, 1))
    wild = tuple(-plane for plane in planes)
    high = dataclasses.replace(fine, planes=wild, tables=np.full_like(fine.tables, 1))
    data = codec.encode_coefficients(high, refine=low, **LARGER)
    assert same(codec.decode_coefficients(data, refine=low).planes, wild)
    assert not parsed(data).refined.any()
    low.planes[0][:3, :3] = high.planes[0][:3, :3]  # one region of luma fits; its chroma does not
    data = codec.encode_coefficients(high, refine=low, **LARGER)
    assert same(codec.decode_coefficients(data, refine=low).planes, wild)


def test_a_chain():
    image, plan, options, _ = pair(96, 120, "420", skip=0)
    low = codec.encode(image, plan.with_scale(9), **options)
    middle = codec.encode(image, plan.with_scale(3), refine=low, **LARGER, **options)
    known = codec.decode_coefficients(middle, refine=low)
    high = codec.encode(image, plan, refine=known, **LARGER, **options)
    assert codec.read_header(middle).refine_hash != codec.read_header(high).refine_hash
    assert np.array_equal(
        codec.decode(high, refine=known), codec.decode(codec.encode(image, plan, **options))
    )
    with pytest.raises(ValueError, match="hash") as caught:
        codec.encode(image, plan, refine=middle, **options)
    assert caught.value.rule == "missing_refine_base"


def test_every_form_of_a_base():
    image, plan, options, low = pair(70, 90, "420")
    known = codec.decode_coefficients(low)
    data = codec.encode(image, plan, refine=low, **options)
    for refine in (bytearray(low), memoryview(low), known):
        assert codec.encode(image, plan, refine=refine, **options) == data
        assert np.array_equal(codec.decode(data, refine=refine), codec.decode(data, refine=low))
    coarse = plan.with_map(known.level_map)
    assert codec.encode(image, plan, refine=codec.quantize(image, coarse, "420"), **options) == data
    short = codec.encode(image, coarse, tables="id", **options)  # known to the encoder from the plan
    assert codec.encode(image, plan, refine=short, **options) == data
    assert same(codec.decode(data, refine=short, table_sets=[TABLES]), codec.decode(data, refine=low))
    other = codec.QuantPlan(codec.TableSet.ijg(90), np.zeros_like(plan.level_map))
    with pytest.raises(ValueError, match="table set") as caught:
        codec.encode(image, other, refine=short, **options)
    assert caught.value.rule == "missing_table_set"
    from_image = codec.encode_coefficients(codec.quantize(image, plan, "420"), plan, refine=low)
    assert same(
        codec.decode_coefficients(from_image, refine=low).planes, codec.quantize(image, plan, "420").planes
    )


# ------------------------------------------------------------------------------------------------ the choice


def test_the_limit():
    """Fewer and fewer regions are refined, and without any it is the direct stream but for the header."""
    image, plan, options, low = pair(240, 320, "420", skip=0)
    direct, plain = codec.encode_with_stats(image, plan, **options)
    last = plan.level_map.size + 1
    for limit in (None, 1.4, 1.2, 1.1, 1.0, 0.9):
        data, stats = codec.encode_with_stats(image, plan, refine=low, refine_limit=limit, **options)
        assert stats.refined_regions + stats.fresh_regions == plan.level_map.size
        assert stats.refined_regions <= last and stats.refined_regions == parsed(data).refined.sum()
        last = stats.refined_regions
    data, stats = codec.encode_with_stats(image, plan, refine=low, refine_limit=0.001, **options)
    assert stats.refined_regions == 0 and plain.refined_regions == plain.fresh_regions == 0
    assert parsed(data).slice_data == parsed(direct).slice_data
    assert codec.read_header(data).refine and not codec.read_header(direct).refine


def test_refining_pays_where_the_steps_are_a_third():
    image, plan, options, _ = pair(240, 320, "420", skip=0)
    low = codec.encode(image, plan.with_scale(3), **options)
    direct = codec.encode(image, plan, **options)
    data, stats = codec.encode_with_stats(image, plan, refine=low, **LARGER, **options)
    assert stats.refined_regions > 0.9 * plan.level_map.size
    assert len(data) < 0.75 * len(direct) and len(low) + len(data) < 1.15 * len(direct)


def test_what_the_base_skips_is_fresh():
    image, plan, options, _ = pair(96, 96, "420", region_blocks=3, skip=0)
    known = plan.level_map.copy()
    known[:, :2] = codec.SKIP
    low = codec.encode(image, plan.with_map(known).with_scale(3), **options)
    wanted = np.zeros_like(known)
    wanted[0] = codec.SKIP
    plan = plan.with_map(wanted)
    data, stats = codec.encode_with_stats(image, plan, refine=low, **LARGER, **options)
    refined = parsed(data).refined
    assert not refined[0].any() and not refined[:, :2].any() and refined[1:, 2:].any()
    assert stats.refined_regions == refined.sum() and stats.fresh_regions == 12 - refined.sum()


def test_the_section():
    image, plan, options, low = pair(150, 200, "420")
    data, stats = codec.encode_with_stats(image, plan, refine=low, **LARGER, **options)
    header, stream = codec.read_header(data), parsed(data)
    coded = reference.refine_bytes(plan.level_map, stream.refined)
    base = parsed(low)
    wanted = reference.base_hash(base, reference.coefficients(base))
    assert wanted + varint(len(coded)) + coded in data
    assert header.refine and header.refine_hash == wanted.hex()
    assert header.refine_bytes == stats.refine_bytes == stream.refine_bytes == 8 + 1 + len(coded)
    assert header.header_bytes + header.slice_bytes == stats.total_bytes == len(data)
    direct = codec.read_header(codec.encode(image, plan, **options))
    assert (direct.refine, direct.refine_hash, direct.refine_bytes) == (False, None, 0)


def test_one_region_and_none():
    image, plan, options, _ = pair(16, 16, region_blocks=8, skip=0)
    low = codec.encode(image, plan.with_scale(3), **options)
    data, stats = codec.encode_with_stats(image, plan, refine=low, **LARGER, **options)
    assert stats.refine_bytes == 8 + 1 + 1 and stats.refined_regions == 1
    nothing = plan.with_map([[codec.SKIP]])
    data, stats = codec.encode_with_stats(image, nothing, refine=low, **options)
    assert stats.refine_bytes == 8 + 1 and stats.refined_regions == stats.fresh_regions == 0
    assert np.array_equal(codec.decode(data, refine=low), codec.decode(low))


# ------------------------------------------------------------------------------------------ what is shown


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_skip_shows_the_base(subsampling):
    image, plan, options, low = pair(90, 110, subsampling, slice_rows=2)
    data = codec.encode(image, plan, refine=low, **options)
    merged = codec.decode(data, refine=low)
    assert np.array_equal(merged, codec.decode(data, refine=low, base=codec.decode_planes(low)))
    assert same(
        codec.decode_planes(data, refine=low).planes,
        codec.decode_planes(codec.encode(image, plan, **options), base=codec.decode_planes(low)).planes,
    )
    grey = np.full_like(image, 128)
    shown = codec.decode(data, refine=low, base=grey)
    assert np.array_equal(shown, codec.decode(codec.encode(image, plan, **options), base=grey))
    assert not np.array_equal(shown, merged)
    coefficients = codec.decode_coefficients(data, refine=low)  # SKIP stays SKIP
    assert same(coefficients.planes, codec.decode_coefficients(codec.encode(image, plan, **options)).planes)


def test_what_both_skip_is_grey():
    image, plan, options, _ = pair(24, 48, skip=0)
    low = codec.encode(image, plan.with_map([[3, codec.SKIP]]), **options)
    data = codec.encode(image, plan.with_map([[codec.SKIP, codec.SKIP]]), refine=low, **options)
    shown = codec.decode(data, refine=low)
    assert (shown[:, 24:] == 128).all() and np.array_equal(shown[:, :24], codec.decode(low)[:, :24])


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_a_region_of_interest_is_the_crop(subsampling):
    image, plan, options, low = pair(130, 110, subsampling, slice_rows=2)
    data = codec.encode(image, plan, refine=low, **LARGER, **options)
    whole = codec.decode(data, refine=low)
    for x0, y0, x1, y1 in (
        (0, 0, 110, 130),
        (0, 0, 1, 1),
        (17, 47, 50, 49),
        (109, 129, 110, 130),
        (3, 60, 80, 61),
    ):
        assert np.array_equal(codec.decode(data, refine=low, roi=(x0, y0, x1, y1)), whole[y0:y1, x0:x1])
    for dtype in (np.uint16, np.float32):
        part = codec.decode(data, refine=low, roi=(9, 9, 70, 70), dtype=dtype)
        assert np.array_equal(part, codec.decode(data, refine=low, dtype=dtype)[9:70, 9:70])


# -------------------------------------------------------------------------------------------------- errors

IMAGE, PLAN, OPTIONS, _ = pair(48, 72, "420", skip=0)
LOW = codec.encode(IMAGE, PLAN.with_scale(3), **OPTIONS)
DATA = codec.encode(IMAGE, PLAN, refine=LOW, **LARGER, **OPTIONS)
KNOWN = codec.decode_coefficients(LOW)


def changed(**changes):
    return dataclasses.replace(KNOWN, **changes)


def touched(c, block, value):
    planes = tuple(plane.copy() for plane in KNOWN.planes)
    planes[c][block] = value
    return changed(planes=planes)


def steps(value):
    tables = KNOWN.tables.copy()
    tables[0, 0, 7, 7] = value
    return tables


ARGUMENTS = {
    # rule, what is given as refine
    "size": ("refine_geometry", pair(48, 73, "420")[3]),
    "regions": ("refine_geometry", pair(48, 72, "420", 2)[3]),
    "subsampling": ("refine_geometry", pair(48, 72, "444")[3]),
    "map shape": ("refine_base", changed(level_map=np.zeros((2, 2), np.uint8))),
    "map value": ("refine_base", changed(level_map=np.full_like(KNOWN.level_map, 4))),
    "step 0": ("refine_base", changed(tables=steps(0))),
    "levels": ("refine_base", changed(tables=np.ones((65, 3, 8, 8), np.uint16))),
    "AC": ("refine_base", touched(1, (0, 0, 3, 3), 1024)),
    "DC": ("refine_base", touched(0, (1, 1, 0, 0), -2049)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_cannot_be_a_base(name):
    rule, refine = ARGUMENTS[name]
    for call in (
        lambda: codec.encode(IMAGE, PLAN, refine=refine, **OPTIONS),
        lambda: codec.encode_coefficients(codec.quantize(IMAGE, PLAN, "420"), refine=refine),
        lambda: codec.decode(DATA, refine=refine),
        lambda: codec.decode_planes(DATA, refine=refine),
        lambda: codec.decode_coefficients(DATA, refine=refine),
    ):
        with pytest.raises(ValueError, match="refine") as caught:
            call()
        assert caught.value.rule == rule and not isinstance(caught.value, codec.CodecError)


@pytest.mark.parametrize(
    "refine",
    [
        touched(0, (0, 0, 0, 0), 1),
        touched(2, (2, 3, 7, 7), 1),
        changed(tables=steps(1)),
        changed(level_map=KNOWN.level_map ^ np.arange(6, dtype=np.uint8).reshape(2, 3) // 5),
    ],
    ids=["first coefficient", "last coefficient", "step", "level"],
)
def test_another_base(refine):
    """One value of it changed is another base."""
    with pytest.raises(ValueError, match=codec.read_header(DATA).refine_hash) as caught:
        codec.decode(DATA, refine=refine)
    assert caught.value.rule == "refine_hash"


def test_a_base_is_needed_and_only_for_a_refinement():
    for call in (codec.decode, codec.decode_planes, codec.decode_coefficients):
        with pytest.raises(ValueError, match=codec.read_header(DATA).refine_hash) as caught:
            call(DATA)
        assert caught.value.rule == "missing_refine_base"
        for data in (LOW, codec.encode(IMAGE, format="jpeg")):
            with pytest.raises(ValueError, match="refine must be") as caught:
                call(data, refine=LOW)
            assert caught.value.rule == "no_refinement"


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (ValueError, "format='rdct'", {"refine": LOW, "format": "jpeg"}),
        (ValueError, "refine_limit must be 0.001..1000", {"refine": LOW, "refine_limit": 0}),
        (ValueError, "refine_limit must be 0.001..1000", {"refine": LOW, "refine_limit": 1001}),
        (ValueError, "refine_limit must be 0.001..1000", {"refine": LOW, "refine_limit": float("nan")}),
        (TypeError, "refine_limit must be a number", {"refine": LOW, "refine_limit": "much"}),
        (TypeError, "bytes-like", {"refine": 5}),
        (TypeError, "refine.planes", {"refine": changed(planes=tuple(p.astype(int) for p in KNOWN.planes))}),
        (ValueError, "refine.planes", {"refine": changed(planes=KNOWN.planes[:1])}),
        (ValueError, "refine.tables", {"refine": changed(tables=KNOWN.tables[0])}),
        (TypeError, "refine.level_map", {"refine": changed(level_map=KNOWN.level_map / 2)}),
        (ValueError, "refine.subsampling", {"refine": changed(subsampling="411")}),
        (ValueError, "refine.region_blocks", {"refine": changed(region_blocks=9)}),
        (ValueError, "width", {"refine": changed(width=0)}),
        (codec.TruncatedError, None, {"refine": LOW[:-1]}),
        (codec.CorruptError, None, {"refine": b"GIF89a"}),
    ],
)
def test_arguments(error, match, options):
    with pytest.raises(error, match=match):
        codec.encode(IMAGE, PLAN, subsampling="420", **options)


def test_batches_have_no_base():
    with pytest.raises(TypeError, match="refine belongs to one picture"):
        codec.encode_batch([IMAGE], PLAN, refine=LOW)
    with pytest.raises(TypeError, match="refine belongs to one picture"):
        codec.decode_batch([DATA], refine=LOW)


# ------------------------------------------------------------------------------------------- hostile streams


def posing(data, refine):
    """`data` with the hash of another base, under right checksums."""
    picture = np.zeros(codec.read_header(data).shape, np.uint8)
    plan = codec.QuantPlan(TABLES, np.zeros_like(refine.level_map), refine.region_blocks)
    wanted = codec.encode(picture, plan, refine=refine, subsampling=refine.subsampling)
    old, new = (bytes.fromhex(codec.read_header(one).refine_hash) for one in (data, wanted))
    return reference.seal(data.replace(old, new, 1))


def fails(data, refine, rule):
    for call in (codec.decode, codec.decode_planes, codec.decode_coefficients):
        with pytest.raises(codec.CorruptError) as caught:
            call(data, refine=refine)
        assert caught.value.rule == rule and 0 <= caught.value.offset <= len(data)


def test_what_the_base_skips_cannot_be_refined():
    assert parsed(DATA).refined.all()
    level_map = KNOWN.level_map.copy()
    level_map[1, 1] = codec.SKIP
    known = changed(level_map=level_map)
    fails(posing(DATA, known), known, "refine_skip")


@pytest.mark.parametrize(("where", "rule"), [((0, 0), "dc_range"), ((2, 1), "refine_range")])
def test_refined_values_stay_in_range(where, rule):
    def base(value):
        planes = np.zeros((1, 1, 8, 8), np.int16)
        planes[0, 0][where] = value
        tables = np.ones((1, 3, 8, 8), np.uint16)
        return codec.Coefficients((planes,), tables, np.zeros((1, 1), np.uint8), 1, "grey", 8, 8)

    data = codec.encode_coefficients(base(900), refine=base(500), **LARGER)
    assert parsed(data).refined.all()
    far = base(1900 if where == (0, 0) else 700)
    fails(posing(data, far), far, rule)
    near = base(99)
    assert codec.decode_coefficients(posing(data, near), refine=near).planes[0][0, 0][where] == 99 + 400


def test_the_section_is_exactly_as_long_as_it_must_be():
    stream = parsed(DATA)
    coded = reference.refine_bytes(PLAN.level_map, stream.refined)
    good = stream.refine_hash + varint(len(coded)) + coded
    assert good in DATA
    for bad, rule in (
        (coded + b"\x00", "refine_section"),
        (coded + b"\x01\x02\x03\x04\x05", "refine_section"),
    ):
        fails(reference.seal(DATA.replace(good, stream.refine_hash + varint(len(bad)) + bad)), LOW, rule)
    at = DATA.index(good)
    for n in range(at, at + len(good)):
        with pytest.raises(codec.TruncatedError) as caught:
            codec.read_header(DATA[:n])
        assert caught.value.rule == "truncated_header"


def test_refined_bits_can_be_anything():
    """Any map of what is refined is a stream; what is in its slices then is another matter."""
    stream = parsed(DATA)
    good = stream.refine_hash + varint(stream.refine_bytes - 9)
    at = DATA.index(good)
    end = at + stream.refine_bytes
    for value in range(1, 256):
        data = DATA[:at] + stream.refine_hash + b"\x01" + bytes([value]) + DATA[end:]
        try:
            codec.decode(reference.seal(data), refine=LOW)
        except codec.CorruptError as error:
            assert error.rule != "refine_section"
