# SPDX-License-Identifier: Apache-2.0
"""The table of refinement streams: what its columns hold, and that a wrong refinement is no row."""

import numpy as np
import pytest
from PIL import Image

import codec
from benchmarks import refinement


@pytest.fixture(scope="module")
def image():
    y, x = np.mgrid[:96, :120]
    rng = np.random.default_rng(3)
    grey = 128 + 60 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 6, (96, 120))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_columns(image):
    plan = codec.QuantPlan.uniform(80, image.shape)
    low = codec.encode(image, plan.with_scale(3), subsampling="444")
    (row,) = refinement.measure([image, image], [80], [3.0], "444")
    assert row.low == 2 * len(low) and row.direct == 2 * len(codec.encode(image, plan, subsampling="444"))
    for size, regions, options in (
        (row.refined, row.refined_regions, {}),
        (row.unlimited, row.unlimited_regions, {"refine_limit": None}),
    ):
        data, stats = codec.encode_with_stats(image, plan, subsampling="444", refine=low, **options)
        assert (size, regions) == (2 * len(data), 2 * stats.refined_regions)
    assert row.regions == 2 * 20 and 0 < row.refined_regions <= row.unlimited_regions


def test_a_wrong_refinement_is_no_row(image, monkeypatch):
    decode = codec.decode_coefficients

    def off_by_one(data, **options):
        found = decode(data, **options)
        found.planes[2][-1, -1, 7, 7] += "refine" in options
        return found

    monkeypatch.setattr(codec, "decode_coefficients", off_by_one)
    with pytest.raises(AssertionError, match="differs"):
        refinement.measure([image], [80], [3.0])


def test_command(image, tmp_path, capsys):
    for i in range(3):
        Image.fromarray(np.roll(image, i, axis=0)).save(tmp_path / f"{i}.png")
    (tmp_path / "README.md").write_text("no picture")
    options = ["--every", "2", "--fine", "85", "--ratios", "2,4", "--subsampling", "422"]
    assert refinement.main([str(tmp_path), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    images = [np.roll(image, i, axis=0) for i in (0, 2)]
    assert lines == refinement.as_markdown(refinement.measure(images, [85], [2.0, 4.0], "422")).splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == ["2", "4"]
    assert {line.count("|") for line in lines} == {10}
