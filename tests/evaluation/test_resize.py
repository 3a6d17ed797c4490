"""Networks with a working size: one small picture for every codec, all bytes per pixel of either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rdct.evaluation import cli, curves, records, resize, sizes, summary, text

SMALL = (36, 48)


@pytest.fixture
def small(toy) -> str:
    """The toy network with a working size of half its pictures' sides."""
    path = Path(toy.rpartition(":")[0])
    path.write_text(
        path.read_text().replace("num_classes = 3", f"num_classes = 3\n    working_size = {SMALL}")
    )
    return toy


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1024, 2048), (512, 1024), (512, 1024)),
        ((720, 1280), (512, 1024), (512, 910)),
        ((375, 1242), (512, 1024), (309, 1024)),
        ((360, 480), (512, 1024), (360, 480)),
        ((1024, 2048), None, (1024, 2048)),
        ((1, 5000), (512, 1024), (1, 1024)),
    ],
)
def test_fitted(shape, size, expected):
    assert resize.fitted(shape, size) == expected


def test_labels_come_from_the_pixel_under_the_centre():
    labels = np.arange(6 * 9).reshape(6, 9)
    assert np.array_equal(resize.resize_labels(labels, (2, 3)), labels[1::3, 1::3])
    assert resize.resize_labels(labels, (6, 9)) is labels


def test_pictures_are_averaged():
    image = np.indices((64, 96)).sum(0)[..., None].repeat(3, -1) % 2 * 255
    found = resize.resize_picture(image.astype(np.uint8), (32, 48))
    assert found.shape == (32, 48, 3) and np.ptp(found.astype(int)[2:-2, 2:-2]) <= 2
    assert abs(float(found.mean()) - 127.5) < 2


def test_run_and_table(tmp_path, pictures, small):
    words = ["run", "--images", str(pictures[0]), "--labels", str(pictures[1]), "--model", small]
    words += ["--systems", "jpeg-turbo-444", "--points", "6", "-j", "1", "--quiet", "-o", str(tmp_path / "o")]
    assert cli.main(words) == 0
    assert cli.main([*words, "--resize", "full"]) == 0
    points = [r for r in records.read(tmp_path / "o") if r["kind"] == "point"]
    assert {(r["resize"], r["height"], r["width"], r["source_pixels"]) for r in points} == {
        ("to fit 48x36, triangle filter", *SMALL, 72 * 96),
        (None, 72, 96, 72 * 96),
    }
    working, full = summary.groups(tmp_path / "o")
    assert len(points) == 24 and working.resize and full.resize is None
    found = summary.summarise(working, (0.9,), resamples=0)
    point = found["rows"][0]["points"][2]
    assert point["bpp_source"] == pytest.approx(point["bpp"] / 4)
    bits = [8 * r["bytes"] for r in points if r["resize"] and r["dial"] == point["dial"]]
    assert point["bpp"] == pytest.approx(sum(bits) / (2 * 36 * 48))
    shown = text.as_markdown(found)
    assert "to fit 48x36" in shown and "x 0.25 for bits per pixel of the source" in shown
    assert "bpp of source" in shown
    plain = text.as_markdown(summary.summarise(full, (0.9,), resamples=0))
    assert "source" not in plain and "to fit" not in plain


def test_crops_show_what_the_codecs_got(tmp_path, pictures, small):
    from rdct.evaluation import crops

    words = ["run", "--images", str(pictures[0]), "--model", small, "--systems", "jpeg-turbo-444"]
    assert cli.main([*words, "--points", "6", "-j", "1", "--quiet", "-o", str(tmp_path / "o")]) == 0
    found = summary.summarise(summary.groups(tmp_path / "o")[0], (0.5,), resamples=0)
    (example,) = crops.examples(found, pictures[0], count=1)
    assert [tile.pixels.shape for tile in example.tiles] == [(*SMALL, 3)] * 2
    dial = min((p for p in found["rows"][0]["points"] if p["agreement"] >= 0.5), key=lambda p: p["bpp"])[
        "dial"
    ]
    points = [r for r in records.read(tmp_path / "o") if r["kind"] == "point"]
    (record,) = [r for r in points if (r["picture"], r["dial"]) == (example.picture, dial)]
    assert example.tiles[1].agreement == record["agreement"]


def test_modes_are_told_apart_by_their_words():
    for mode in resize.MODES:
        assert resize.mode_of(resize.describe(SMALL, mode)) == mode
        assert resize.describe(None, mode) is None
    assert resize.split(SMALL, "working") == (SMALL, None)
    assert resize.split(SMALL, "after") == (None, SMALL)
    assert resize.split(SMALL, "full") == (None, None)


def test_coded_whole_then_shrunk(tmp_path, pictures, small, tables):
    words = ["run", "--images", str(pictures[0]), "--labels", str(pictures[1]), "--model", small]
    words += ["--tables", tables, "--tables-mode", "id", "--systems", "jpeg-turbo-444,stac-paper"]
    words += ["--points", "6", "-j", "1", "--quiet", "-o", str(tmp_path / "o")]
    assert cli.main([*words, "--resize", "after"]) == 0
    points = [r for r in records.read(tmp_path / "o") if r["kind"] == "point"]
    assert {(r["resize"], r["height"], r["width"], r["source_pixels"]) for r in points} == {
        ("after every codec to fit 48x36, triangle filter", 72, 96, 72 * 96)
    }
    # Labels are those of the small picture: so many pixels are compared, however large the coded one is.
    assert {sum(r["raw_confusion"]) for r in points} == {36 * 48}
    shown = text.as_markdown(summary.summarise(summary.groups(tmp_path / "o")[0], (0.9,), resamples=0))
    assert "coded as they come, resized after every codec to fit 48x36" in shown

    with pytest.raises(ValueError, match="one way of resizing"):
        sizes.sizes_table(tmp_path / "o", (0.9,))
    assert cli.main(words) == 0
    found = {resize.mode_of(group.resize): group.curves[0] for group in summary.groups(tmp_path / "o")}
    seen = [found[mode].accuracy("agreement") for mode in ("working", "after")]
    at = float(max(map(min, seen)) + min(map(max, seen))) / 2
    rates = {
        mode: curves.bits_at(found[mode].bpp() * share, found[mode].accuracy("agreement"), (at,))[0].rate
        for mode, share in (("working", 1 / 4), ("after", 1))
    }
    table = sizes.sizes_table(tmp_path / "o", (at, 1.0))
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| jpeg-turbo-444")]
    assert [row[1] for row in rows] == ["shrunk, then coded", "coded, then shrunk"]
    assert rows[0][2] == f"{rates['working']:.3f}"
    assert rows[1][2] == f"{rates['after']:.3f}  {100 * (rates['after'] / rates['working'] - 1):+.1f} %"
    assert "not reached" in rows[0][3]


def test_planning_network_shrinks_what_it_sees(small):
    import torch

    from rdct.vision import models

    model = models.load(small)
    wrapped = resize.Shrinking(model, SMALL)
    image = torch.rand(1, 3, 72, 96) * 255
    answer = wrapped(image)
    assert answer.shape == (1, 3, 72, 96) and wrapped.name == model.name
    # Stripes of one pixel are gone at half the size, so it cannot be sensitive to them.
    image.requires_grad_(True)
    wrapped(image)[..., 36, 48].sum().backward()
    grain = (torch.arange(96) % 2 * 2 - 1).float()
    assert abs(float((image.grad * grain).sum())) < 1e-3 * float(image.grad.abs().sum())
    little = torch.rand(1, 3, 20, 30) * 255
    assert torch.equal(wrapped(little), model(little))


def test_crops_of_what_was_shrunk_after(tmp_path, pictures, small):
    from rdct.evaluation import crops

    words = ["run", "--images", str(pictures[0]), "--model", small, "--systems", "jpeg-turbo-444"]
    words += ["--resize", "after", "--points", "6", "-j", "1", "--quiet", "-o", str(tmp_path / "o")]
    assert cli.main(words) == 0
    found = summary.summarise(summary.groups(tmp_path / "o")[0], (0.5,), resamples=0)
    (example,) = crops.examples(found, pictures[0], count=1)
    assert [tile.pixels.shape for tile in example.tiles] == [(*SMALL, 3)] * 2
    points = [r for r in records.read(tmp_path / "o") if r["kind"] == "point"]
    told = {
        (round(8 * r["bytes"] / (72 * 96), 9), r["agreement"])
        for r in points
        if r["picture"] == example.picture
    }
    assert (round(example.tiles[1].bpp, 9), example.tiles[1].agreement) in told
