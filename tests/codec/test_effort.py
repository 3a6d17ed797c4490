# SPDX-License-Identifier: Apache-2.0
"""Quantisation with foresight: what an effort promises about bytes, integers, errors and bits."""

import io

import numpy as np
import pictures
import pytest

import codec

EFFORTS = [1, 2, 3]
SAMPLINGS = ["444", "422", "420", "grey"]
ENTROPIES = ["huffman", "huffman-fixed", "context"]
CPUS = ["c", "ssse3", "avx2", "avx512", "neon"]
LADDER = np.concatenate([codec.TableSet.ijg(q).tables for q in (92, 80, 60, 30)])


def picture(height=96, width=120, subsampling="444", seed=0):
    return pictures.street(height, width, 1 if subsampling == "grey" else 3, seed)


def levels(height, width, region_blocks=2, skip=0, seed=0):
    level_map = pictures.levels(*codec.map_shape(height, width, region_blocks), len(LADDER), seed, skip)
    return codec.QuantPlan(LADDER, level_map, region_blocks)


def sampled(subsampling):
    return "444" if subsampling == "grey" else subsampling


def values(data):
    return codec.decode_coefficients(data).planes


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_effort_0_is_plain_rounding():
    image, plan = picture(), levels(96, 120, skip=1)
    assert codec.encode(image, plan, effort=0) == codec.encode(image, plan)
    assert equal(codec.quantize(image, plan, effort=0).planes, codec.quantize(image, plan).planes)


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("entropy", ENTROPIES)
@pytest.mark.parametrize("effort", [1, 2])
def test_streams_hold_what_quantize_says(subsampling, entropy, effort):
    image, plan = picture(67, 93, subsampling), levels(67, 93, skip=1)
    data = codec.encode(image, plan, subsampling=sampled(subsampling), entropy=entropy, effort=effort)
    said = codec.quantize(image, plan, sampled(subsampling), effort=effort)
    assert equal(values(data), said.planes)
    assert codec.encode_coefficients(said, plan, entropy=entropy) == data


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("entropy", ["huffman", "context"])
def test_highest_effort_writes_streams_like_any_other(subsampling, entropy):
    image, plan = picture(67, 93, subsampling), levels(67, 93, skip=1)
    data = codec.encode(image, plan, subsampling=sampled(subsampling), entropy=entropy, effort=3)
    again = codec.encode_coefficients(codec.decode_coefficients(data), plan, entropy=entropy)
    assert again == data


@pytest.mark.parametrize("entropy", ENTROPIES)
@pytest.mark.parametrize("effort", EFFORTS)
def test_no_coefficient_grows_and_dc_stays(entropy, effort):
    image, plan = picture(), levels(96, 120)
    found = values(codec.encode(image, plan, entropy=entropy, effort=effort))
    for plain, chosen in zip(codec.quantize(image, plan).planes, found, strict=True):
        assert np.array_equal(chosen[..., 0, 0], plain[..., 0, 0])
        assert (abs(chosen) <= abs(plain)).all() and (chosen * plain.astype(int) >= 0).all()
        assert (chosen != plain).any()


@pytest.mark.parametrize("subsampling", ["444", "420"])
@pytest.mark.parametrize("options", [{"entropy": e} for e in ENTROPIES] + [{"format": "jpeg"}], ids=str)
@pytest.mark.parametrize("effort", EFFORTS)
def test_bytes_do_not_depend_on_the_machine(subsampling, options, effort):
    image = picture(150, 131)
    plan = codec.QuantPlan.uniform(60, image.shape) if "format" in options else levels(150, 131)
    options = {**options, "subsampling": subsampling, "effort": effort}
    data = codec.encode(image, plan, **options)
    for threads in (2, 7):
        assert codec.encode(image, plan, threads=threads, **options) == data
    tried = 0
    for cpu in CPUS:
        try:
            encoder = codec.Encoder(cpu=cpu)
        except ValueError:  # not this machine's
            continue
        tried += 1
        assert encoder.encode(image, plan, **options) == data
    assert tried >= 1


def cost(image, plan, data):
    """Bits + D / lambda: errors in units of each level's own squared steps, of which a bit buys ln 2 / 6."""
    whole = codec.QuantPlan(
        np.ones((1, 3, 8, 8), np.uint16), np.zeros_like(plan.level_map), plan.region_blocks
    )
    exact, found = codec.quantize(image, whole).planes, values(data)
    squares, (rows, cols) = 0.0, plan.level_map.shape
    for c, (raw, q) in enumerate(zip(exact, found, strict=True)):
        y = np.minimum(np.arange(len(raw)) // plan.region_blocks, rows - 1)
        x = np.minimum(np.arange(raw.shape[1]) // plan.region_blocks, cols - 1)
        steps = plan.steps[plan.level_map[np.ix_(y, x)], c].astype(float)
        squares += ((raw / steps - q) ** 2).sum()
    return 8 * len(data) + squares * 6 / np.log(2)


@pytest.mark.parametrize("entropy", ENTROPIES)
@pytest.mark.parametrize("kind", ["one level", "many levels"])
def test_bits_and_errors_together_fall(entropy, kind):
    """The point of it all: what is saved is worth more than what is lost, and more so with every effort."""
    image = picture(240, 320, seed=3)
    plan = codec.QuantPlan.uniform(60, image.shape) if kind == "one level" else levels(240, 320)
    streams = [codec.encode(image, plan, entropy=entropy, effort=effort) for effort in range(4)]
    sizes, costs = [len(data) for data in streams], [cost(image, plan, data) for data in streams]
    assert sizes[1] < 0.96 * sizes[0] and sizes[2] < 0.93 * sizes[0] and sizes[3] < 0.93 * sizes[0]
    assert costs[3] < costs[2] < costs[1] < costs[0]
    assert costs[3] < 0.97 * costs[0]


EXTREMES = {
    "noise": pictures.noise(40, 56),
    "black and white": np.indices((40, 56)).sum(0).astype(np.uint8) % 2 * 255,
    "flat": np.full((40, 56, 3), 255, np.uint8),
    "one pixel": np.full((1, 1, 3), 7, np.uint8),
    "one row": pictures.noise(1, 90),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("step", [1, 2, 255, 4095])
@pytest.mark.parametrize("effort", EFFORTS)
def test_extremes(name, step, effort):
    image = EXTREMES[name]
    plan = codec.QuantPlan(
        np.full((1, 3, 8, 8), step, np.uint16), np.zeros(codec.map_shape(*image.shape[:2]), np.uint8)
    )
    plain = codec.quantize(image, plan, "420").planes
    for entropy in ENTROPIES:
        found = values(codec.encode(image, plan, subsampling="420", entropy=entropy, effort=effort))
        assert all((abs(q) <= abs(p)).all() for p, q in zip(plain, found, strict=True))


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_way_in_and_out(effort):
    image, plan = picture(200, 161), levels(200, 161, skip=1)
    for entropy in ("huffman", "context"):
        options = {"subsampling": "420", "entropy": entropy, "slice_rows": 4, "effort": effort}
        data = codec.encode(image, plan, **options)
        out = bytearray(codec.encode_bound(image.shape, "420"))
        assert out[: codec.encode_into(out, image, plan, **options)] == data
        assert codec.encode_batch([image, image], plan, threads=2, **options) == [data, data]
        encoder = codec.Encoder(threads=2)
        encoder.encode(image[::-1], quality=30, effort=3)  # leaves nothing behind
        assert [encoder.encode(image, plan, **options) for _ in range(2)] == [data, data]
        assert encoder.encode(image, plan) == codec.encode(image, plan)
        whole = codec.decode(data)
        assert np.array_equal(codec.decode(data, roi=(30, 50, 101, 133)), whole[50:133, 30:101])


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("entropy", ["huffman", "huffman-fixed"])
def test_jpeg_of_one_level(subsampling, entropy):
    """An ordinary JPEG file, and a smaller one, with the coefficients of the native stream."""
    image_module = pytest.importorskip("PIL.Image")
    image = picture(121, 95, subsampling)
    options = {"quality": 70, "subsampling": sampled(subsampling), "entropy": entropy}
    plain = codec.encode(image, format="jpeg", **options)
    for effort in EFFORTS:
        data = codec.encode(image, format="jpeg", effort=effort, **options)
        assert len(data) < len(plain)
        assert equal(values(data), values(codec.encode(image, effort=effort, **options)))
        theirs = np.asarray(image_module.open(io.BytesIO(data)))
        assert np.median(abs(codec.decode(data).astype(int) - theirs)) <= 1


def test_jpeg_of_many_levels_is_searched_already():
    image, plan = picture(), levels(96, 120)
    data = codec.encode(image, plan, format="jpeg")
    assert all(codec.encode(image, plan, format="jpeg", effort=effort) == data for effort in EFFORTS)


def test_errors():
    image, plan = picture(), levels(96, 120)
    coefficients = codec.quantize(image, plan)
    for effort in (-1, 4):
        with pytest.raises(ValueError, match=rf"effort must be 0\.\.3, got {effort}"):
            codec.encode(image, plan, effort=effort)
    with pytest.raises(TypeError, match=r"effort must be an integer 0\.\.3, got float"):
        codec.encode(image, plan, effort=1.5)
    with pytest.raises(ValueError, match=r"effort must be 0\.\.2, got 3.*decode_coefficients"):
        codec.quantize(image, plan, effort=3)
    with pytest.raises(ValueError, match="effort must be 0 with refine, got 2"):
        codec.encode(image, plan, refine=coefficients, effort=2)
    with pytest.raises(ValueError, match="effort is 1, but must be 0 for coefficients") as caught:
        codec.encode_coefficients(coefficients, plan, effort=1)
    assert getattr(caught.value, "rule", "effort_given") == "effort_given"
