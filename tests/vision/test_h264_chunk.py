"""Chunks of H.264: there and back, and what must not pass."""

import numpy as np
import pytest

pytest.importorskip("av")

from rdct.vision.h264_chunk import decode_chunk, encode_chunk

SIZE = (64, 96)


def clip(count=6, size=SIZE):
    """A textured square that walks over a gradient."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    frames = []
    for t in range(count):
        image = np.stack([40 + x, 60 + y, 200 - x], axis=2).clip(0, 255).astype(np.uint8)
        image[20:40, 10 + 4 * t : 30 + 4 * t] = np.where((x + y)[:20, :20, None] % 4 < 2, 210, 30)
        frames.append(image)
    return frames


def error(a, b):
    return float(np.mean((np.stack(a).astype(float) - np.stack(b)) ** 2))


@pytest.mark.parametrize("options", [{"qp": 20}, {"crf": 20}, {"qp": 20, "gop": 1}])
def test_there_and_back(options):
    frames = clip()
    found = decode_chunk(encode_chunk(frames, **options))
    assert [image.shape for image in found] == [image.shape for image in frames]
    assert error(frames, found) < 40
    # In their order: each is closest to its own.
    for n, image in enumerate(found):
        assert min(range(6), key=lambda m: error([frames[m]], [image])) == n


def test_odd_sides_need_full_chroma():
    frames = clip(2, (63, 95))
    with pytest.raises(ValueError, match=r"95 x 63.*444"):
        encode_chunk(frames, qp=20)
    found = decode_chunk(encode_chunk(frames, qp=20, subsampling="444"))
    assert found[0].shape == (63, 95, 3) and error(frames, found) < 20


def test_coarser_is_smaller_and_intra_is_larger():
    frames = clip()
    sizes = [
        len(encode_chunk(frames, **options)) for options in ({"qp": 20}, {"qp": 36}, {"qp": 20, "gop": 1})
    ]
    assert sizes[1] < sizes[0] < sizes[2]


def test_a_chunk_decodes_by_itself():
    """No picture reaches beyond a chunk, so every one begins with its parameters."""
    chunks = [encode_chunk(clip()[a : a + 3], qp=24) for a in (0, 3)]
    assert all(len(decode_chunk(chunk)) == 3 for chunk in reversed(chunks))
    assert all(b"x264" not in chunk for chunk in chunks)


def test_outside_of_the_regions_all_is_black():
    frames = clip(3)
    masks = np.zeros((3, *SIZE), bool)
    masks[:, 16:48, 16:64] = True
    found = decode_chunk(encode_chunk(frames, qp=20, roi=masks))
    assert np.stack(found)[~masks].mean() < 4 < 40 < np.stack(found)[masks].mean()


def test_limits_and_damage():
    data = encode_chunk(clip(), qp=24)
    with pytest.raises(ValueError, match="max_frames"):
        decode_chunk(data, max_frames=5)
    for bad, limits in (
        (data, {"max_pixels": 64 * 96 - 1}),
        (b"nothing", {}),
        (b"", {}),
        (data[: len(data) // 3], {}),
    ):
        with pytest.raises(ValueError, match=r"H\.264"):
            decode_chunk(bad, **limits)


@pytest.mark.parametrize(
    "options, says",
    [
        ({}, "one of them"),
        ({"qp": 20, "crf": 20}, "one of them"),
        ({"qp": 52}, "qp must be"),
        ({"qp": 20, "gop": 0}, "gop"),
        ({"qp": 20, "preset": "swift"}, "preset"),
        ({"qp": 20, "subsampling": "422"}, "subsampling"),
        ({"qp": 20, "roi": np.ones((2, *SIZE), bool)}, "roi"),
    ],
)
def test_wrong_arguments(options, says):
    with pytest.raises(ValueError, match=says):
        encode_chunk(clip(3), **options)


def test_no_pictures_or_unequal_ones():
    with pytest.raises(ValueError, match="at least one"):
        encode_chunk([], qp=20)
    with pytest.raises(ValueError, match="one size"):
        encode_chunk([clip(1)[0], clip(1, (48, 64))[0]], qp=20)
