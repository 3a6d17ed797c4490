# SPDX-License-Identifier: Apache-2.0
"""docs/bitstream.md section by section: what the C core writes is what a second reader of that page reads."""

import hashlib
import heapq

import numpy as np
import pictures
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import codec

RAMP = np.add.outer(np.arange(8), np.arange(8))


def log_set(levels=16, bands=None):
    return codec.TableSet.from_log(
        np.stack([RAMP * 6, RAMP * 7 + 9, RAMP * 7 + 9]), np.arange(levels) * 2 - 8, bands
    )


# ------------------------------------------------------------------------------------------------- tables


def test_one_byte_says_ijg():
    image = pictures.street(24, 24)
    for quality in (1, 25, 50, 75, 100):
        data = codec.encode(image, quality=quality)
        stream = reference.parse(data)
        assert stream.form == 2 and stream.table_bytes == 2
        assert np.array_equal(codec.read_header(data).steps.reshape(1, 3, 64), stream.steps)


def test_logarithmic_form_is_compact():
    image = pictures.street(48, 48)
    table_set = log_set(16)
    data = codec.encode(image, codec.QuantPlan(table_set, np.full((2, 2), 7)))
    stream = reference.parse(data)
    assert stream.form == 1 and stream.table_bytes == 209 <= 300
    assert np.array_equal(stream.tables, table_set.tables.reshape(16, 3, 64))
    grey = codec.encode(image[:, :, 0], codec.QuantPlan(table_set, np.full((2, 2), 7)))
    assert reference.parse(grey).table_bytes == 1 + 64 + 16


@given(
    base=st.lists(st.integers(0, 255), min_size=192, max_size=192),
    offset=st.lists(st.integers(-128, 127), min_size=1, max_size=64),
)
def test_logarithmic_steps_follow_the_formula(base, offset):
    table_set = codec.TableSet.from_log(np.reshape(base, (3, 8, 8)), offset)
    e = np.clip(np.array(base) + np.array(offset)[:, None], 0, 192)
    assert np.array_equal(
        table_set.tables.reshape(-1, 192),
        np.clip(np.array(reference.OCTAVE)[e % 16] * 2 ** (e // 16) + 2**13 >> 14, 1, 4095),
    )


def test_explicit_form_keeps_any_steps():
    steps = (pictures.noise(64, 12, 1, seed=3).reshape(4, 3, 8, 8).astype(int) * 4091 // 255) + 1
    steps[:2, 0, 0, 0] = 1, 4095
    image = pictures.street(48, 48)
    data = codec.encode(image, codec.QuantPlan(steps, np.array([[0, 1], [2, 3]])))
    stream = reference.parse(data)
    assert stream.form == 0
    assert np.array_equal(stream.tables.reshape(4, 3, 8, 8), steps)
    assert np.array_equal(codec.read_header(data).steps, steps)
    assert np.array_equal(codec.decode_coefficients(data).tables, steps)


@pytest.mark.parametrize("scale", [1 / 256, 0.37, 1.0, 2.5, 255])
def test_scale_changes_steps_and_not_the_id(scale):
    image = pictures.street(48, 48)
    plan = codec.QuantPlan(log_set(4), np.array([[0, 1], [2, 3]])).with_scale(scale)
    data = codec.encode(image, plan, tables="id")
    header = codec.read_header(data, [plan.table_set])
    assert header.scale == plan.scale and header.table_set_id == log_set(4).id_hex
    assert np.array_equal(header.steps, plan.steps)
    assert np.array_equal(reference.parse(data, [plan.table_set]).steps.reshape(plan.steps.shape), plan.steps)


# ----------------------------------------------------------------------------------------- sets by their id


def test_a_set_named_by_id():
    image = pictures.street(48, 72)
    table_set, other = log_set(4), log_set(5)
    plan = codec.QuantPlan(table_set, np.array([[0, 1, 2], [2, 3, 0]]))
    inline, by_id = codec.encode(image, plan), codec.encode(image, plan, tables="id")
    assert len(by_id) == len(inline) - (1 + 192 + 4) + 8
    assert np.array_equal(codec.decode(by_id, table_sets=[other, table_set]), codec.decode(inline))
    assert np.array_equal(
        codec.decode_planes(by_id, [table_set]).planes[0], codec.decode_planes(inline).planes[0]
    )
    assert np.array_equal(codec.decode_coefficients(by_id, [table_set]).tables, plan.steps)
    for call in (codec.decode, codec.decode_planes, codec.decode_coefficients):
        for sets in ((), [other]):
            with pytest.raises(ValueError, match=table_set.id_hex) as caught:
                call(by_id, table_sets=sets)
            assert caught.value.rule == "missing_table_set"
    # The header can be read all the same.
    header = codec.read_header(by_id)
    assert (header.tables, header.table_set_id, header.steps) == ("id", table_set.id_hex, None)
    assert np.array_equal(header.level_map, plan.level_map) and header.levels == 4
    assert np.array_equal(codec.read_header(by_id, [table_set]).steps, plan.steps)
    assert codec.read_header(inline).table_set_id is None


def test_canonical_bytes_and_id():
    for table_set in (codec.TableSet.ijg(60), log_set(3), sample_bands(2), codec.TableSet(log_set(3).tables)):
        data = table_set.to_bytes()
        assert data[:5] == b"RDTS\x01" and data[5] == table_set.levels and data[6] == len(table_set.bands)
        assert table_set.id == hashlib.sha256(data).digest()[:8] and table_set.id_hex == table_set.id.hex()
        again = codec.TableSet.from_bytes(data)
        assert again == table_set and np.array_equal(again.tables, table_set.tables)
        assert np.array_equal(again.bands, table_set.bands)
        form, tables = reference._tables(reference.Cursor(data[7:]), table_set.levels, 3)
        assert form == (1 if table_set.log_base is not None else 0)
        assert np.array_equal(tables.reshape(table_set.tables.shape), table_set.tables)
        assert data.endswith(table_set.bands.tobytes())
    assert codec.TableSet(log_set(3).tables) != log_set(3)


def test_the_id_is_pinned():
    # A table set is known by these eight bytes on both ends of a link; they must never change.
    steps = [int(step) for table in reference.ijg(75) for step in table[reference.ZIGZAG]]
    by_hand = b"RDTS" + bytes([1, 1, 0, 0, *steps])
    assert max(steps) < 128 and codec.TableSet.ijg(75).to_bytes() == by_hand
    assert codec.TableSet.ijg(75).id_hex == hashlib.sha256(by_hand).hexdigest()[:16] == "e06f9c14f05aaf55"


# ------------------------------------------------------------------------------------------------- Huffman


def sample_bands(count):
    """Bands that can code everything: Annex K, then flatter and flatter ones."""
    symbols = np.array(reference.AC_ORDER)
    bands = np.zeros((count, 4, 256), np.uint8)
    bands[0] = reference.annex_k_lengths()
    for k in range(1, count):
        dc, ac = np.zeros((2, 256), np.int64)
        dc[:12] = np.maximum(1000 >> np.arange(12) // k, 1)
        ac[symbols] = np.maximum(40000 >> (symbols % 16 * 6 + symbols // 16 * 2) // k, 1)
        ac[0x00] = 20000
        bands[k] = [codec.huffman_lengths(counts) for counts in (dc, ac, dc, ac)]
    return codec.TableSet(codec.ijg_table(75)[None], bands)


def test_annex_k_is_band_255():
    image = pictures.street(40, 40)
    data, stats = codec.encode_with_stats(image, entropy="huffman-fixed")
    header = codec.read_header(data)
    assert (
        header.entropy == "huffman-fixed" and header.band == stats.band == 255 and header.huffman_bytes == 1
    )
    assert reference.parse(data).huffman == reference.annex_k_lengths()


def test_huffman_section_is_what_the_page_says_to_the_byte():
    for image in (pictures.street(64, 64), pictures.noise(32, 32, 1), np.zeros((8, 8, 3), np.uint8)):
        data = codec.encode(image, quality=80)
        stream = reference.parse(data)
        section = reference.huffman_bytes(stream.huffman)
        assert data.find(len(section).to_bytes(1, "little") + section) > 0
        for t, lengths in enumerate(stream.huffman):
            kraft = sum(2.0**-n for n in lengths if n)
            assert kraft <= 1 - 2**-16 and max(lengths) <= 16, t


def test_fixed_bands_by_id_and_inline():
    table_set = sample_bands(4)
    for quality_scale in (0.2, 1, 6):
        image = pictures.street(72, 96)
        plan = codec.QuantPlan(table_set, np.zeros((3, 4), np.uint8), scale=quality_scale)
        by_id, stats = codec.encode_with_stats(image, plan, entropy="huffman-fixed", tables="id")
        stream = reference.parse(by_id, [table_set])
        assert stream.band == stats.band == codec.read_header(by_id).band
        inline = codec.encode(image, plan, entropy="huffman-fixed")
        assert codec.read_header(inline).band in (254, 255)
        expected = codec.decode(codec.encode(image, plan))
        assert np.array_equal(codec.decode(by_id, table_sets=[table_set]), expected)
        assert np.array_equal(codec.decode(inline), expected)
        planes = codec.quantize(image, plan).planes
        for data, sets in ((by_id, [table_set]), (inline, [])):
            found = reference.coefficients(reference.parse(data, sets))
            assert all(np.array_equal(a, b) for a, b in zip(found, planes, strict=True))


def test_bands_are_chosen_by_cost():
    table_set = sample_bands(6)
    image = pictures.street(96, 96)
    used = set()
    for scale in (0.1, 0.5, 2, 12):
        plan = codec.QuantPlan(table_set, np.zeros((4, 4), np.uint8), scale=scale)
        _, stats = codec.encode_with_stats(image, plan, entropy="huffman-fixed", tables="id")
        used.add(stats.band)
        costs = [
            sum(
                int(n) * int(lengths[symbol])
                for c in (0, 1)
                for counts, lengths in (
                    (stats.dc_symbols[c], band[2 * c]),
                    (stats.ac_symbols[c], band[2 * c + 1]),
                )
                for symbol, n in enumerate(counts)
            )
            for band in [*table_set.bands, reference.annex_k_lengths()]
        ]
        chosen = costs[-1] if stats.band == 255 else costs[stats.band]
        assert chosen <= 1.05 * min(costs)  # chosen from a sample of the rows
    assert len(used) > 1


@given(counts=st.lists(st.integers(0, 2**40) | st.just(0), min_size=1, max_size=256))
def test_huffman_lengths_are_optimal_for_short_codes(counts):
    counts = np.array(counts + [0] * (256 - len(counts)), np.int64)
    lengths = codec.huffman_lengths(counts)
    assert np.array_equal(lengths > 0, counts > 0)
    assert lengths.max(initial=0) <= 16
    assert sum(2.0 ** -int(n) for n in lengths if n) <= 1 - 2.0**-16
    if not counts.any():
        return
    # The best code that keeps one word free, without a limit on lengths: one more symbol of no weight.
    heap = [(int(c), 0) for c in counts if c] + [(0, 0)]
    heapq.heapify(heap)
    cost = 0
    depth = 0
    while len(heap) > 1:
        (a, da), (b, db) = heapq.heappop(heap), heapq.heappop(heap)
        cost += a + b
        depth = max(da, db) + 1
        heapq.heappush(heap, (a + b, depth))
    found = int((counts * lengths.astype(np.int64)).sum())
    assert found >= cost
    if depth <= 16:
        assert found == cost


def test_huffman_lengths_of_fibonacci_counts_stay_within_16():
    counts = [1, 1]
    while len(counts) < 60:
        counts.append(counts[-1] + counts[-2])
    lengths = codec.huffman_lengths(counts + [0] * 196)
    assert lengths.max() == 16 and sum(2.0 ** -int(n) for n in lengths if n) <= 1 - 2.0**-16


# ----------------------------------------------------------------------------------------------- level map


@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    levels=st.integers(1, 64),
    seed=st.integers(0, 2**16),
    skip=st.integers(0, 8),
)
def test_level_map_there_and_back_to_the_byte(rows, cols, levels, seed, skip):
    level_map = pictures.levels(rows, cols, levels, seed, skip)
    image = np.full((8 * rows, 8 * cols), 100, np.uint8)
    plan = codec.QuantPlan(log_set(levels), level_map, region_blocks=1)
    data = codec.encode(image, plan)
    assert np.array_equal(codec.read_header(data).level_map, level_map)
    stream = reference.parse(data)
    assert np.array_equal(stream.level_map, level_map)
    if (level_map == level_map.flat[0]).all():
        assert stream.map_bytes == 1
    else:
        section = reference.map_bytes(level_map, levels)
        assert stream.map_bytes == 1 + len(section) and section in data


def test_noisy_level_map_survives():
    level_map = pictures.noise(30, 40, 1) % 65
    level_map[level_map == 64] = codec.SKIP
    plan = codec.QuantPlan(log_set(60).tables[np.arange(64) % 60], level_map, region_blocks=1)
    data = codec.encode(np.zeros((240, 320), np.uint8), plan)
    assert np.array_equal(codec.read_header(data).level_map, level_map)
    assert codec.read_header(data).map_bytes < 1300


def test_smooth_level_map_is_cheap():
    level_map = (np.add.outer(np.arange(15), np.arange(20)) * 15 // 34).astype(np.uint8)
    plan = codec.QuantPlan(log_set(16), level_map)
    header = codec.read_header(codec.encode(pictures.street(360, 480), plan))
    assert header.map_bytes < 60 < level_map.size // 4


# ----------------------------------------------------------------------------------------- DC across tables


@given(
    steps=st.lists(st.integers(1, 4095), min_size=2, max_size=8),
    values=st.lists(st.integers(-1024, 1023), min_size=12, max_size=12),
    order=st.lists(st.integers(0, 8), min_size=12, max_size=12),
)
def test_dc_prediction_across_tables(steps, values, order):
    tables = np.ones((len(steps), 3, 8, 8), np.uint16)
    tables[:, 0, 0, 0] = steps
    levels = np.array([[codec.SKIP if k == 8 else k % len(steps) for k in order]], np.uint8)
    plan = codec.QuantPlan(tables, levels, region_blocks=1)
    planes = np.zeros((1, 12, 8, 8), np.int16)
    used = np.array([1 if level == codec.SKIP else steps[level] for level in levels[0]])
    planes[0, :, 0, 0] = np.where(levels[0] == codec.SKIP, 0, np.array(values) // used)
    source = codec.Coefficients((planes,), plan.steps, plan.level_map, 1, "grey", 96, 8)
    data = codec.encode_coefficients(source, plan)
    assert np.array_equal(codec.decode_coefficients(data).planes[0], planes)
    assert np.array_equal(reference.coefficients(reference.parse(data))[0], planes)


def test_dc_prediction_is_clamped_and_rounds_half_away():
    # 2 * 1000 is clamped to 1023, -3 * 1000 to -1024; divided by 2046 and 2048 that is a half, or just not.
    tables = np.ones((3, 3, 8, 8), np.uint16)
    tables[:, 0, 0, 0] = 1000, 2046, 2048
    for first, second, expected in ((2, 1, 1), (2, 2, 0), (-3, 2, -1), (-3, 1, -1)):
        planes = np.zeros((1, 2, 8, 8), np.int16)
        planes[0, 0, 0, 0], planes[0, 1, 0, 0] = first, expected
        plan = codec.QuantPlan(tables, [[0, second]], region_blocks=1)
        source = codec.Coefficients((planes,), plan.steps, plan.level_map, 1, "grey", 16, 8)
        data = codec.encode_coefficients(source, plan)
        # The second difference is zero, category 0, exactly if the prediction is `expected`.
        categories = [n for n, length in enumerate(reference.parse(data).huffman[0]) if length]
        assert categories == [0, abs(first).bit_length()]
        assert np.array_equal(codec.decode_coefficients(data).planes[0], planes)
        assert np.array_equal(reference.coefficients(reference.parse(data))[0], planes)


# -------------------------------------------------------------------------------------------------- slices


def test_slices_cut_where_the_page_says():
    image = pictures.street(200, 64)
    plan = codec.QuantPlan(log_set(4), pictures.levels(9, 3, 4))
    for rows in (1, 2, 4, 9, 100):
        if rows == 1:
            continue
        data = codec.encode(image, plan, subsampling="420", slice_rows=rows)
        header = codec.read_header(data)
        assert (header.slices, header.slice_rows) == (-(9 // -rows), rows)
        planes = reference.coefficients(reference.parse(data))
        assert np.array_equal(planes[0], codec.quantize(image, plan, "420").planes[0])
    assert codec.read_header(codec.encode(image, plan, slice_rows=1)).slices == 9


def test_default_slices_follow_the_picture_only():
    # One slice up to 2^18 pixels, else the fewest region rows that hold 2^16.
    for shape, rows, slices in (
        ((360, 480), 15, 1),
        ((512, 512), 22, 1),
        ((513, 512), 6, 4),
        ((720, 960), 3, 10),
        ((2160, 3840), 1, 90),
    ):
        header = codec.read_header(codec.encode(np.zeros(shape, np.uint8)))
        assert (header.slice_rows, header.slices) == (rows, slices)


def test_native_is_not_larger_than_the_optimised_jpeg():
    for seed, subsampling in enumerate(["444", "422", "420"]):
        image = pictures.street(240, 320, seed=seed)
        for quality in (20, 50, 75, 92):
            native = codec.encode(image, quality=quality, subsampling=subsampling)
            jpeg = codec.encode(image, quality=quality, subsampling=subsampling, format="jpeg")
            assert len(native) < len(jpeg)
    grey = pictures.street(240, 320, 1)
    assert len(codec.encode(grey)) < len(codec.encode(grey, format="jpeg"))


def test_crc_is_castagnoli():
    assert reference.crc32c(b"123456789") == 0xE3069283
    data = codec.encode(pictures.street(20, 20))
    stream = reference.parse(data)
    assert (
        reference.crc32c(data[: stream.crc_at]).to_bytes(4, "little")
        == data[stream.crc_at : stream.crc_at + 4]
    )
