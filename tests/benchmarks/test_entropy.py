# SPDX-License-Identifier: Apache-2.0
"""The table of entropy coders: what its columns hold, and that other coefficients are no row."""

import numpy as np
import pytest
from PIL import Image

import codec
from benchmarks import entropy


@pytest.fixture(scope="module")
def image():
    y, x = np.mgrid[:96, :120]
    grey = 128 + 60 * np.sin(x / 9) * np.cos(y / 7) + np.random.default_rng(3).normal(0, 6, (96, 120))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_columns(image):
    sums = entropy.measure([image, image], [60, 90], "420")
    assert list(sums) == [60, 90] and sums[60]["pixels"] == 2 * 96 * 120
    for quality, sizes in sums.items():
        for name in ("huffman", "huffman-fixed", "context"):
            data = codec.encode(image, quality=quality, subsampling="420", entropy=name)
            assert sizes[name] == 2 * len(data)


def test_other_coefficients_are_no_row(image, monkeypatch):
    encode = codec.encode
    monkeypatch.setattr(
        codec,
        "encode",
        lambda image, quality, entropy, **rest: encode(
            image, quality=quality - (entropy == "context"), entropy=entropy, **rest
        ),
    )
    with pytest.raises(AssertionError, match="different coefficients"):
        entropy.measure([image], [60])


def test_table(image, tmp_path, capsys):
    Image.fromarray(image).save(tmp_path / "a.png")
    assert entropy.main([str(tmp_path), "--quality", "75"]) == 0
    head, _, line = capsys.readouterr().out.splitlines()
    assert head == "| quality | huffman, bpp | huffman-fixed | context |"
    quality, bpp, fixed, context = (cell.strip() for cell in line.strip("|").split("|"))
    size = len(codec.encode(image, quality=75))
    assert (quality, bpp) == ("75", f"{8 * size / (96 * 120):.3f}")
    assert fixed.startswith("+") and context.startswith("-")
