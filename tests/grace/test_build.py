"""From a toy network and generated pictures to a table set, with the real codec."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

import codec  # noqa: E402
from grace import UnreachableError, build_table_set, coefficient_gradients, region_sums  # noqa: E402
from grace.accuracy import Demand, parse_demand  # noqa: E402
from grace.bands import AC_SYMBOLS  # noqa: E402
from grace.calibrate import SizeCurve  # noqa: E402
from grace.classes import balanced_weights  # noqa: E402
from grace.sensitivity import nearest_levels  # noqa: E402
from rdct.vision import metrics, models  # noqa: E402


@pytest.fixture(scope="module")
def model(make_toy):
    return make_toy(dtype=torch.float32)


@pytest.fixture(scope="module")
def pictures(picture):
    return [picture(72, 96, seed) for seed in range(3)]


@pytest.fixture(scope="module")
def tables(model, pictures):
    return build_table_set(model, pictures, accuracy=("agreement", 0.97), threads=2)


def plain(tables, scale, shape):
    level_map = np.full(codec.map_shape(*shape[:2]), tables.middle, np.uint8)
    return codec.QuantPlan(tables.table_set, level_map, 3, scale)


def test_middle_level_meets_the_demand(model, pictures, tables):
    shares = []
    for picture in pictures:
        decoded = codec.decode(codec.encode(picture, plain(tables, 1.0, picture.shape)))
        shares.append(metrics.agreement(models.labels(model, decoded), models.labels(model, picture)))
    assert np.mean(shares) >= 0.97
    assert tables.provenance["reached"] == pytest.approx(np.mean(shares))
    # And not by far: a budget a quarter larger does not.
    assert np.mean(shares) < 0.995


def test_mean_gradient(model, pictures, tables):
    expected = np.mean([coefficient_gradients(model, p).mean_magnitude() for p in pictures], 0)
    np.testing.assert_allclose(tables.mean_gradient, expected, rtol=1e-5)
    assert tables.coefficients == 3 * 64 * 9 * 12


@pytest.mark.parametrize("quality", [30, 60, 85])
def test_calibration(model, pictures, tables, quality):
    wanted = uniform = regions = 0
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "jpeg", quality=quality, optimize=True, subsampling=0)
        wanted += file.tell()
        plan = plain(tables, tables.scale_for_quality(quality, "uniform"), picture.shape)
        uniform += len(codec.encode(picture, plan, tables="id"))
        scale = tables.scale_for_quality(quality)
        plan = plain(tables, scale, picture.shape)
        decoded = codec.decode(codec.encode(picture, plan))
        sums = region_sums(coefficient_gradients(model, decoded))
        q8 = plan.scale_q8
        steps = np.clip((tables.table_set.tables.astype(int) * q8 + 128) >> 8, 1, 4095)
        level_map = nearest_levels(sums.costs(steps), sums.dues(tables.budget * scale))
        regions += len(codec.encode(picture, plan.with_map(level_map), tables="id"))
    assert uniform == pytest.approx(wanted, rel=0.04)  # tiny pictures: 0.2 % of them is 10 bytes
    assert regions == pytest.approx(wanted, rel=0.04)


def test_scales_fall_with_quality(tables):
    for use in ("uniform", "regions"):
        points = tables.calibration[use]
        scales = [points[q] for q in sorted(points)]
        assert scales == sorted(scales, reverse=True)


def test_bands_code_every_symbol(tables, pictures):
    bands = tables.table_set.bands
    assert bands.shape == (6, 4, 256)
    assert (bands[:, ::2, :12] > 0).all() and (bands[:, 1::2][:, :, AC_SYMBOLS] > 0).all()
    plan = plain(tables, 0.5, pictures[0].shape)
    fixed = codec.encode(pictures[0], plan, tables="id", entropy="huffman-fixed")
    assert codec.read_header(fixed, table_sets=[tables.table_set]).entropy == "huffman-fixed"
    np.testing.assert_array_equal(
        codec.decode(fixed, table_sets=[tables.table_set]), codec.decode(codec.encode(pictures[0], plan))
    )


def test_inline_form_is_compact(tables, pictures):
    data = codec.encode(pictures[0], plain(tables, 1.0, pictures[0].shape))
    assert codec.read_header(data).table_bytes <= 300


def test_threads_do_not_matter(model, pictures, tables):
    again = build_table_set(model, pictures, accuracy=("agreement", 0.97), threads=1)
    assert again.id == tables.id and again.calibration == tables.calibration
    assert again.provenance == tables.provenance


def test_interrupted_build_goes_on(model, pictures, tables, tmp_path, monkeypatch):
    state = tmp_path / "b.state"

    def stop_at(step, at):
        def progress(name, done, total, note):
            if (name, done) == (step, at):
                raise KeyboardInterrupt

        return progress

    for step, at in (("gradients", 2), ("budget", 3)):
        with pytest.raises(KeyboardInterrupt):
            build_table_set(
                model, pictures, accuracy=("agreement", 0.97), state=state, progress=stop_at(step, at)
            )
        assert state.exists()

    notes = []
    import grace.gradients

    calls = []
    true = grace.gradients.coefficient_gradients

    def counted(*args, **kwargs):
        calls.append(1)
        return true(*args, **kwargs)

    monkeypatch.setattr(grace.gradients, "coefficient_gradients", counted)
    found = build_table_set(
        model,
        pictures,
        accuracy=("agreement", 0.97),
        state=state,
        progress=lambda name, done, total, note: (
            notes.append(note) if name == "resume" else calls.clear() if name == "gradients" else None
        ),
    )
    assert notes == [f"going on from {state}"]
    assert found.id == tables.id and found.calibration == tables.calibration
    assert found.provenance == tables.provenance
    assert not state.exists()


def test_gradients_are_not_taken_twice(model, pictures, tmp_path, monkeypatch):
    state = tmp_path / "b.state"
    stop = RuntimeError("enough")

    def progress(name, done, total, note):
        if name == "budget":
            raise stop

    with pytest.raises(RuntimeError, match="enough"):
        build_table_set(model, pictures, state=state, progress=progress)
    import grace.gradients

    def refuse(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr(grace.gradients, "coefficient_gradients", refuse)
    with pytest.raises(RuntimeError, match="enough"):
        build_table_set(model, pictures, state=state, progress=progress)


def test_miou_demand(model, pictures):
    labels = [models.labels(model, picture) for picture in pictures]
    found = build_table_set(
        model, pictures[:2], labels=labels[:2], accuracy=("miou_drop", 0.2), levels=4, rho="data"
    )
    # Against its own labels the raw mIoU is 1.
    assert found.provenance["reached"] <= 0.2
    assert found.levels == 4 and 1.1 <= found.rho <= 64
    with pytest.raises(ValueError, match="give labels, too"):
        build_table_set(model, pictures, accuracy=("miou_drop", 0.05))


@pytest.mark.parametrize("subsampling", ["420", "422"])
def test_subsampled(model, pictures, subsampling):
    found = build_table_set(
        model, pictures[:1], accuracy=("agreement", 0.9), subsampling=subsampling, region_blocks=2
    )
    assert found.subsampling == subsampling and found.region_blocks == 2
    assert set(found.calibration) == {"uniform", "regions"}


def test_demand_out_of_reach(pictures):
    # One class wins over the other by noise in the last digit of the input.
    class Hair(torch.nn.Module):
        class_names = ("a", "b")

        def forward(self, x):
            wave = torch.sin(x * 1e4)
            return torch.cat((wave[:, :1], -wave[:, 1:2]), 1)

    with pytest.raises(
        UnreachableError, match=r"agreement=0.99 cannot be met: even steps of 1 give agreement 0"
    ):
        build_table_set(Hair().eval(), pictures[:1], accuracy=("agreement", 0.99))


def test_network_that_does_not_react(pictures):
    class Dull(torch.nn.Module):
        class_names = ("a", "b")

        def forward(self, x):
            return torch.cat((x[:, :1] * 0 + 5, x[:, 1:2] * 0), 1)

    with pytest.raises(ValueError, match="does not react"):
        build_table_set(Dull().eval(), pictures[:1])


def test_wrong_arguments(model, pictures):
    for kwargs, message in (
        (dict(subsampling="grey"), "subsampling must be 444, 422 or 420"),
        (dict(levels=0), "levels must be"),
        (dict(rho=0.1), "rho must be"),
        (dict(accuracy=("speed", 1)), "accuracy is agreement or miou_drop"),
        (dict(accuracy=("agreement", 1.5)), "between 0 and 1"),
        (dict(limit=0), "limit"),
        (dict(class_weights="even"), "class_weights must be 'balanced' or numbers, got 'even'"),
    ):
        with pytest.raises(ValueError, match=message):
            build_table_set(model, pictures, **kwargs)


def test_parse_demand():
    assert parse_demand("agreement=0.98") == Demand("agreement", 0.98)
    assert parse_demand("miou-drop=.01") == Demand("miou_drop", 0.01)
    assert str(parse_demand("miou_drop=0.01")) == "miou-drop=0.01"
    for text in ("agreement", "agreement=", "agreement=x", "psnr=30", "agreement=0"):
        with pytest.raises(ValueError, match="accuracy"):
            parse_demand(text)


def test_size_curve_answers_only_what_it_measured():
    measured = []

    def measure(scale):
        measured.append(scale)
        # A cliff at 0.4, as where a step is rounded to another whole number.
        return int(1e5 / scale * (1.2 if scale < 0.4 else 1.0))

    curve = SizeCurve(measure)
    curve.span(10_000, 2_000_000)
    for size in (12_000, 90_000, 230_000, 310_000, 1_500_000):
        scale = curve.scale_for(size)
        assert scale in measured and scale * 256 == round(scale * 256)
        assert abs(curve.bytes_at(scale) / size - 1) < 0.03
    assert abs(curve.bytes_at(curve.scale_for(90_000)) / 90_000 - 1) < 0.005
    assert len(measured) == len(set(measured)) < 40


def test_classes_are_counted_and_weighted(model, pictures, tables):
    """The shares are those of the labels; weights move gradients, and the demand is met all the same."""
    labels = [models.labels(model, picture) for picture in pictures]
    counts = np.bincount(np.ravel(labels), minlength=4)
    np.testing.assert_allclose(tables.class_shares, counts / counts.sum(), rtol=1e-12)
    weighted = build_table_set(model, pictures, accuracy=("agreement", 0.97), class_weights="balanced")
    weights = balanced_weights(counts)
    found = [coefficient_gradients(model, picture, class_weights=weights) for picture in pictures]
    expected = np.mean([one.mean_magnitude() for one in found], 0)
    np.testing.assert_allclose(weighted.mean_gradient, expected, rtol=1e-6)
    assert not np.allclose(weighted.mean_gradient, tables.mean_gradient, rtol=1e-3)
    assert weighted.provenance["class_weights"] == "balanced" and weighted.provenance["reached"] >= 0.97
    assert "class_weights" not in tables.provenance
    given = build_table_set(model, pictures, accuracy=("agreement", 0.97), class_weights=weights)
    assert given.id == weighted.id
