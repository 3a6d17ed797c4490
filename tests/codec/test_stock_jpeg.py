# SPDX-License-Identifier: Apache-2.0
"""Plans of many levels as JPEG files: any decoder reads them, and regions keep the quality of their level.

`djpeg` is tried where it is installed (Debian: apt-get install libjpeg-turbo-progs).
"""

import io
import shutil
import subprocess

import jpeg_reference
import numpy as np
import pictures
import pytest

import codec
from codec import _checkasm

Image = pytest.importorskip("PIL.Image")

SAMPLINGS = ["444", "422", "420", "grey"]
SIZES = [(9, 9), (17, 33), (50, 70), (121, 95)]
LADDER = np.concatenate([codec.TableSet.ijg(q).tables for q in (95, 85, 70, 45, 20)])


def muted(height, width, subsampling="444", seed=0):
    """A picture away from 0 and 255, where libjpeg clamps and we do not."""
    return 64 + pictures.street(height, width, 1 if subsampling == "grey" else 3, seed) // 2


def many(height, width, region_blocks=1, tables=LADDER, seed=0):
    """A plan with more than one level in use."""
    level_map = pictures.levels(*codec.map_shape(height, width, region_blocks), len(tables), seed)
    if level_map.size > 1:
        level_map.flat[:2] = 0, len(tables) - 1
    return codec.QuantPlan(tables, level_map, region_blocks)


def encode(image, plan, subsampling="444", **options):
    subsampling = "444" if subsampling == "grey" else subsampling
    return codec.encode(image, plan, subsampling=subsampling, format="jpeg", **options)


def base_table(plan, components=3):
    """(33 + k) / 48 of the median step of the regions, k the place in zigzag order: [components, 8, 8]."""
    steps = np.sort(plan.steps[plan.level_map.ravel()].astype(int), axis=0)
    k = np.argsort(codec.ZIGZAG).reshape(8, 8)
    return np.clip((steps[len(steps) // 2, :components] * (33 + k) + 24) // 48, 1, 255)


def agree(ours, theirs):
    """As in test_jpeg_oracle.py."""
    difference = abs(ours.astype(int) - theirs)
    assert ours.shape == theirs.shape and difference.max() <= 3
    return (difference > 2).sum() <= max(1, difference.size // 10000)


def by_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def by_opencv(data):
    cv2 = pytest.importorskip("cv2")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[:, :, ::-1]


def by_simplejpeg(data):
    simplejpeg = pytest.importorskip("simplejpeg")
    grey = codec.read_header(data).subsampling == "grey"
    return np.squeeze(simplejpeg.decode_jpeg(data, colorspace="GRAY" if grey else "RGB"))


def by_djpeg(data):
    if shutil.which("djpeg") is None:
        pytest.skip("djpeg is not installed (Debian: libjpeg-turbo-progs)")
    return by_pillow(subprocess.run(["djpeg", "-pnm"], input=data, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("read", [by_pillow, by_opencv, by_simplejpeg, by_djpeg])
def test_others_read_it(read, size, subsampling):
    image = muted(*size, subsampling)
    for options in ({}, {"slice_rows": 2}, {"entropy": "huffman-fixed"}):
        data = encode(image, many(*size), subsampling, **options)
        assert agree(codec.decode(data), read(data))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_coefficients_are_those_of_a_reader_of_t81(size, subsampling):
    image = pictures.street(*size, 1 if subsampling == "grey" else 3, seed=2)
    plan = many(*size, seed=1)
    data = encode(image, plan, subsampling)
    planes, tables = jpeg_reference.jpeg_coefficients(data)
    found = codec.decode_coefficients(data)
    assert all(map(np.array_equal, found.planes, planes))
    assert np.array_equal(np.reshape(tables, (-1, 8, 8)), base_table(plan, len(tables)))
    header = codec.read_header(data)
    assert (header.format, header.subsampling, header.shape) == ("jpeg", subsampling, image.shape)
    assert np.array_equal(header.steps[0, : len(tables)], base_table(plan, len(tables)))


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("region_blocks", range(1, 9))
def test_qcoefs_lie_between_zero_and_the_rounded(subsampling, region_blocks):
    image = pictures.street(96, 133, 1 if subsampling == "grey" else 3, seed=region_blocks)
    plan = many(96, 133, region_blocks)
    data = encode(image, plan, subsampling)
    base = np.ones((1, 3, 8, 8), np.uint16)
    base[0, : 1 if subsampling == "grey" else 3] = base_table(plan, 1 if subsampling == "grey" else 3)
    one = codec.QuantPlan(base, np.zeros_like(plan.level_map), region_blocks)
    rounded = codec.quantize(image, one, "444" if subsampling == "grey" else subsampling).planes
    found = codec.decode_coefficients(data).planes
    changed = 0
    for a, b in zip(found, rounded, strict=True):
        assert np.array_equal(a[:, :, 0, 0], b[:, :, 0, 0])
        assert np.all((a == 0) | (np.sign(a) == np.sign(b))) and np.all(abs(a) <= abs(b))
        changed += np.count_nonzero(a != b)
    assert changed > 0


def test_search_finds_the_least_cost():
    assert all(_checkasm.rdo_misses(seed) == 0 for seed in range(20))


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_quality_follows_levels(subsampling):
    """The same picture three times side by side, each copy at a level of its own."""
    tile = pictures.street(96, 96, 1 if subsampling == "grey" else 3, seed=5)
    image = np.concatenate([tile] * 3, axis=1)
    plan = codec.QuantPlan(LADDER, np.repeat([[0] * 4 + [2] * 4 + [4] * 4], 4, axis=0).astype(np.uint8), 3)
    found = codec.decode(encode(image, plan, subsampling)).astype(int)
    errors = [((found - image)[:, x : x + 96] ** 2).mean() for x in (0, 96, 192)]
    assert errors[0] < errors[1] < 0.8 * errors[2]
    # A region is what its level makes it, not much worse: the coarsest has the error of its own table.
    own = codec.decode(encode(image, plan.with_map(np.full_like(plan.level_map, 4)), subsampling)).astype(int)
    assert errors[2] < 1.3 * ((own - image)[:, 192:] ** 2).mean()
    sizes = [
        len(encode(image, plan.with_map(np.where(plan.level_map == 4, level, plan.level_map)), subsampling))
        for level in (3, 4)
    ]
    assert sizes[1] < sizes[0]


def test_bytes_against_a_native_stream():
    """At equal weighted error the file is not much larger than a stream of the same levels."""
    image = pictures.street(192, 288, seed=9)
    plan = many(192, 288, 3)

    def cost(data):
        error = codec.decode(data).astype(float) - image
        weights = np.kron(plan.steps[plan.level_map][:, :, 0, 0, 0].astype(float) ** -2, np.ones((24, 24)))
        return (weights[..., None] * error**2).mean()

    def native(scale):
        return codec.encode(image, plan.with_scale(scale))

    jpeg = encode(image, plan)
    scale = next(s for s in np.arange(3, 0.3, -1 / 32) if cost(native(s)) <= cost(jpeg))
    assert len(jpeg) < 1.2 * len(native(scale))


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("options", [{}, {"slice_rows": 2}, {"entropy": "huffman-fixed"}], ids=str)
def test_bytes_do_not_depend_on_threads_or_cpu(subsampling, options):
    image = pictures.street(200, 171, 1 if subsampling == "grey" else 3, seed=3)
    plan = many(200, 171, 2)
    data = encode(image, plan, subsampling, **options)
    for threads in (2, 3, 16):
        assert encode(image, plan, subsampling, threads=threads, **options) == data
    for cpu in _checkasm.cpus("fdct_quantize"):
        assert encode(image, plan, subsampling, cpu=cpu, **options) == data
    again = codec.Encoder()
    again.encode(image, quality=50)  # scratch of another kind of encoding
    for _ in range(2):
        options = {"subsampling": "444" if subsampling == "grey" else subsampling, **options}
        assert again.encode(image, plan, format="jpeg", **options) == data


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_restart_markers_change_no_coefficient(subsampling):
    image = muted(150, 100, subsampling)
    plan = many(150, 100, 2)
    data, whole = encode(image, plan, subsampling, slice_rows=2), encode(image, plan, subsampling)
    assert codec.read_header(data).restart_interval > codec.read_header(whole).restart_interval == 0
    planes = codec.decode_coefficients(whole).planes
    assert all(map(np.array_equal, codec.decode_coefficients(data).planes, planes))
    assert np.array_equal(codec.decode(data, roi=(5, 20, 60, 77)), codec.decode(data)[20:77, 5:60])


@pytest.mark.parametrize("steps", [(1, 4095), (1, 255), (255, 4095), (4094, 4095), (1, 2)], ids=str)
@pytest.mark.parametrize("make", [pictures.noise, pictures.street, pictures.slope])
def test_extreme_tables(steps, make):
    image = make(61, 83)
    plan = many(61, 83, 1, np.stack([np.full((3, 8, 8), step, np.uint16) for step in steps]))
    for fine in (0.4, 0.6):  # of the regions: the median is at one end or at the other
        regions = plan.level_map.size
        level_map = (np.arange(regions) >= fine * regions).astype(np.uint8).reshape(plan.level_map.shape)
        data = encode(image, plan.with_map(level_map))
        corners = codec.read_header(data).steps[0, :, [0, 7], [0, 7]]
        assert (corners[0] == min(max((steps[fine < 0.5] * 33 + 24) // 48, 1), 255)).all()
        assert (corners[1] == min(steps[fine < 0.5] * 2, 255)).all()
        planes, _ = jpeg_reference.jpeg_coefficients(data)
        assert all(map(np.array_equal, codec.decode_coefficients(data).planes, planes))
        assert codec.decode(data).shape == by_pillow(data).shape == image.shape


@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_flat_picture(value):
    image = np.full((64, 64), value, np.uint8)
    tables = np.stack([np.full((3, 8, 8), step, np.uint16) for step in (1, 2)])
    data = encode(image, many(64, 64, tables=tables), "grey")
    assert np.array_equal(codec.decode(data), image) and np.array_equal(by_pillow(data), image)


def test_statistics_add_up():
    image = pictures.street(90, 120)
    data, stats = codec.encode_with_stats(image, many(90, 120), format="jpeg")
    assert (stats.total_bytes, stats.map_bytes, stats.skipped_blocks) == (len(data), 0, 0)
    planes = codec.decode_coefficients(data).planes
    assert stats.nonzero == sum(np.count_nonzero(plane) for plane in planes)
    out = bytearray(codec.encode_bound(image.shape))
    assert out[: codec.encode_into(out, image, many(90, 120), format="jpeg")] == data


def test_skip_cannot_be_written():
    plan = many(48, 48, 3)
    with pytest.raises(codec.UnsupportedError, match="coarsest level") as caught:
        encode(muted(48, 48), plan.with_map([[0, codec.SKIP], [1, 2]]))
    assert caught.value.rule == "jpeg_skip"


def test_quantised_coefficients_cannot_share_a_table():
    plan = many(48, 48, 3)
    coefficients = codec.quantize(muted(48, 48), plan)
    with pytest.raises(codec.UnsupportedError, match="encode the picture itself") as caught:
        codec.encode_coefficients(coefficients, plan, format="jpeg")
    assert caught.value.rule == "jpeg_levels"


def test_one_level_in_use_is_the_plain_jpeg():
    image = muted(48, 48)
    plan = many(48, 48, 3)
    plain = codec.QuantPlan(LADDER[3:4], np.zeros((2, 2), np.uint8), 3)
    assert encode(image, plan.with_map(np.full((2, 2), 3))) == encode(image, plain)
    with pytest.raises(ValueError, match=r"JPEG needs 1\.\.255"):
        encode(image, plan.with_map(np.full((2, 2), 4)).with_scale(40))
