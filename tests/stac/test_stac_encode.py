"""encode_image against the same steps done by hand, with a network of a few lines."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import codec
from stac import encode_image, generic_ladder, jpeg_at_agreement, select_levels
from stac.encode import UnreachableAgreementError, tables_for

torch = pytest.importorskip("torch")

HEIGHT, WIDTH = 72, 100
#: How `encode_image` has its plan coded when nothing else is said.
WRITTEN = {"entropy": "context", "effort": 1}


def make_picture():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([90 + 60 * np.sin(x / 17 + k) + 50 * np.cos(y / (9 + 4 * k)) for k in range(3)], -1)
    image[24:36, 24:48] += (90, -40, 10)
    image[36:, 48:] = image[36:, 48:].mean((0, 1))
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def network(x):
    x = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate"), 5, stride=1
    )
    light = (x.mean(1, keepdim=True) - 105) / 12
    warm = (x[:, :1] - x[:, 2:]) / 12
    return torch.cat([-light, warm, -warm, light], 1)


@pytest.fixture(scope="module")
def picture():
    return make_picture()


@pytest.fixture(scope="module")
def model():
    from rdct.vision.models.load import TorchModel

    palette = np.zeros((4, 3), np.uint8)
    return TorchModel(network, name="colours", class_names=("a", "b", "c", "d"), palette=palette)


@pytest.fixture(scope="module")
def tables(model, picture):
    from grace import NetworkTables, coefficient_gradients
    from grace.tables import grace_table, level_offsets, log_base

    gradients = coefficient_gradients(model, picture)
    mean, coefficients = gradients.mean_magnitude(), gradients.coefficients
    budget = float(12 / np.exp(np.log(grace_table(mean, 1.0, coefficients)).mean()))
    steps = np.clip(grace_table(mean, budget, coefficients), 1, 4095)
    return NetworkTables(
        table_set=codec.TableSet.from_log(log_base(steps), level_offsets(16, 4.0)),
        mean_gradient=mean,
        mean_coefficient=np.full((3, 8, 8), 10.0),
        coefficients=coefficients,
        budget=budget,
        rho=4.0,
        calibration={"regions": {50: 2.0, 75: 1.0, 90: 0.5}, "uniform": {50: 1.5, 75: 0.75, 90: 0.4}},
        provenance={"model": "colours"},
    )


def labels_of(model, samples):
    from rdct.vision import models

    return models.labels(model, samples if samples.ndim == 3 else np.repeat(samples[..., None], 3, 2))


@pytest.mark.parametrize("gradient_at", ["decoded", "raw"])
@pytest.mark.parametrize("subsampling", ["444", "420", "grey"])
def test_is_the_scheme_step_by_step(picture, model, tables, subsampling, gradient_at):
    from grace import coefficient_gradients

    image = np.ascontiguousarray(picture[..., 1]) if subsampling == "grey" else picture
    coded_as = "444" if subsampling == "grey" else subsampling
    scale = 1.5
    options = {"subsampling": coded_as, "gradient_at": gradient_at, "sensitivity": "gradient"}
    done = encode_image(image, model, tables, scale=scale, **options)
    middle = codec.QuantPlan(tables.table_set, np.full(codec.map_shape(HEIGHT, WIDTH), 8), scale=scale)
    first = codec.decode(codec.encode(image, middle, subsampling=coded_as))
    seen = first if gradient_at == "decoded" else image
    gradients = coefficient_gradients(model, seen, subsampling=subsampling)
    chosen = select_levels(gradients, tables, scale=scale)
    data = codec.encode(image, middle.with_map(chosen.level_map), subsampling=coded_as, **WRITTEN)
    assert done.data == data
    np.testing.assert_array_equal(done.selection.level_map, chosen.level_map)
    np.testing.assert_array_equal(done.decoded, codec.decode(data))
    np.testing.assert_array_equal(done.raw_labels, labels_of(model, image))
    np.testing.assert_array_equal(done.decoded_labels, labels_of(model, codec.decode(data)))
    assert done.agreement == np.mean(done.raw_labels == done.decoded_labels)
    assert sum(done.levels.values()) == chosen.level_map.size
    assert (done.scale, done.trials) == (scale, 1)


@pytest.mark.parametrize("effort", [1, 3])
def test_effort_changes_the_file_and_not_the_plan(picture, model, tables, effort):
    plain, done = (encode_image(picture, model, tables, scale=1.5, effort=e) for e in (0, effort))
    np.testing.assert_array_equal(done.plan.level_map, plain.plan.level_map)
    assert done.data == codec.encode(picture, done.plan, entropy="context", effort=effort)
    assert len(done.data) < len(plain.data)


def test_search_returns_a_file_that_passed(picture, model, tables):
    tried = []
    done = encode_image(picture, model, tables, agreement=0.98, on_trial=tried.append)
    assert len(tried) == done.trials > 2
    assert done.agreement >= 0.98
    assert np.mean(labels_of(model, codec.decode(done.data)) == done.raw_labels) == done.agreement
    assert len(done.data) == min(len(trial.data) for trial in tried if trial.agreement >= 0.98)
    # The search is no more than encoding at the scale it found.
    again = encode_image(picture, model, tables, scale=done.scale)
    assert again.data == done.data


def test_search_gives_up_with_the_best_seen(picture, tables, model):
    raw = np.full((HEIGHT, WIDTH), 9, np.uint8)  # no label of the network's
    with pytest.raises(UnreachableAgreementError, match=r"agreement 0\.5 is out of reach") as caught:
        encode_image(picture, model, tables, agreement=0.5, raw_labels=raw)
    assert caught.value.best == 0


def test_dials(picture, model, tables):
    def scale(**options):
        return encode_image(picture, model, tables, **options).scale

    assert scale() == scale(quality=75) == 1.0
    assert scale(quality=50) == 2.0
    assert scale(budget=tables.budget / 2) == 0.5
    assert encode_image(picture, None, tables, quality=50).scale == 1.5
    assert scale(quality=50, format="jpeg") == 2.0
    assert encode_image(picture, None, tables, quality=50, format="jpeg").scale == 1.5


def test_without_a_network(picture, tables):
    done = encode_image(picture, None, tables, scale=1.0)
    assert done.levels == {8: 15}
    assert (done.selection, done.agreement, done.decoded, done.raw_labels) == (None, None, None, None)


def test_jpeg_has_the_same_plan(picture, model, tables):
    native = encode_image(picture, model, tables, scale=1.5)
    done = encode_image(picture, model, tables, scale=1.5, format="jpeg")
    assert done.plan == native.plan and done.levels == native.levels and len(done.levels) > 1
    assert done.data == codec.encode(picture, native.plan, format="jpeg")
    assert Image.open(io.BytesIO(done.data)).size == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(done.decoded, codec.decode(done.data))
    found = encode_image(picture, model, tables, agreement=0.97, format="jpeg")
    assert found.agreement >= 0.97 and codec.read_header(found.data).format == "jpeg"


def test_jpeg_of_one_region_has_its_level(picture, model, tables):
    done = encode_image(picture[:24, :24], model, tables, scale=60.0, format="jpeg")
    native = encode_image(picture[:24, :24], model, tables, scale=60.0)
    (level,) = native.levels
    np.testing.assert_array_equal(done.plan.tables[0], np.minimum(native.plan.steps[level], 255))


def test_jpeg_without_a_network_is_one_table_of_at_most_255(picture, tables):
    done = encode_image(picture, None, tables, scale=20.0, format="jpeg")
    steps = np.clip((tables.table_set.tables[8].astype(int) * (20 * 256) + 128) >> 8, 1, 255)
    assert steps.max() == 255
    np.testing.assert_array_equal(done.plan.tables, steps[None])
    np.testing.assert_array_equal(codec.decode_coefficients(done.data).tables, steps[None])
    assert Image.open(io.BytesIO(done.data)).size == (WIDTH, HEIGHT)
    assert done.selection is None
    assert done.scale == 20.0


def test_paper_rebuilds_levels_from_b_over_4(picture, model, tables):
    from grace.tables import level_offsets

    assert encode_image(picture, model, tables, scale=1.0, paper=True).plan.table_set is tables.table_set
    narrow = codec.TableSet.from_log(tables.table_set.log_base, level_offsets(16, 2.0))
    narrow = dataclasses.replace(tables, table_set=narrow, rho=2.0)
    done = encode_image(picture, model, narrow, scale=1.0, paper=True)
    assert done.plan.table_set == tables.table_set
    explicit = dataclasses.replace(tables, table_set=codec.TableSet(narrow.table_set.tables))
    done = encode_image(picture, model, explicit, scale=1.0, paper=True)
    ratio = done.plan.table_set.tables[8] / done.plan.table_set.tables[0]
    assert np.median(ratio) == pytest.approx(4, rel=0.1)
    with pytest.raises(ValueError, match="its id cannot stand for them"):
        encode_image(picture, model, narrow, scale=1.0, paper=True, tables_mode="id")


def test_tables_by_id(picture, model, tables):
    inline = encode_image(picture, model, tables, scale=1.0)
    named = encode_image(picture, model, tables, scale=1.0, tables_mode="id")
    assert len(named.data) < len(inline.data) - 150
    assert codec.read_header(named.data).table_set_id == tables.table_set.id_hex
    np.testing.assert_array_equal(named.decoded, inline.decoded)


def test_floor_mode_stays_below_the_target(picture, model, tables):
    closest = encode_image(picture, model, tables, scale=1.0, sensitivity="gradient")
    floor = encode_image(picture, model, tables, scale=1.0, sensitivity="gradient", mode="floor")
    assert floor.selection.realised_sum <= closest.selection.realised_sum
    assert (floor.plan.level_map <= closest.plan.level_map).all()


def test_unknown_network_gets_the_generic_ladder(picture, model):
    ladder = tables_for(model)
    assert ladder.table_set == generic_ladder().table_set
    assert (ladder.levels, ladder.budget) == (16, None)
    done = encode_image(picture, model, quality=50)
    assert done.scale == 1.0
    assert len(done.levels) > 2
    # The middle level is JPEG's table; the map shares out what it would cost.
    assert np.abs(ladder.table_set.tables[8] / codec.ijg_table(50) - 1).max() < 0.06
    assert done.selection.rho.mean() == pytest.approx(1, abs=0.2)


def test_generic_ladder_quality_is_libjpegs():
    ladder = generic_ladder()
    for quality in (10, 50, 75, 90):
        steps = ladder.table_set.tables[8] * ladder.scale_for_quality(quality)
        wanted = codec.ijg_table(quality)
        assert np.median(np.abs(steps - wanted)[wanted < 255]) <= 1
    assert ladder.scale_for_quality(100) == 0.01
    with pytest.raises(ValueError, match=r"quality is 0, outside 1\.\.100"):
        ladder.scale_for_quality(0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": 1.0, "quality": 5}, ValueError, "budget, agreement; got scale and quality"),
        ({"agreement": 0.0}, ValueError, r"agreement is 0.0, outside 0\.\.1"),
        ({"agreement": 0.9, "model": None}, ValueError, "agreement needs a model"),
        ({"paper": True, "model": None}, ValueError, "paper=True needs a model"),
        ({"paper": True, "subsampling": "420"}, ValueError, "paper=True fixes subsampling to '444'"),
        ({"paper": True, "gradient_at": "raw"}, ValueError, "paper=True fixes gradient_at to 'decoded'"),
        ({"paper": True, "effort": 1}, ValueError, "paper=True fixes effort to 0"),
        ({"effort": 4}, ValueError, "effort must be 0..3, got 4"),
        ({"paper": True, "mode": "floor"}, ValueError, "paper=True fixes mode to 'closest'"),
        ({"format": "png"}, ValueError, "format is 'png'; use 'rdct' or 'jpeg'"),
        ({"format": "jpeg", "tables_mode": "id"}, ValueError, "a JPEG file carries its tables"),
        ({"tables_mode": "none"}, ValueError, "tables_mode is 'none'"),
        ({"gradient_at": "sea"}, ValueError, "gradient_at is 'sea'"),
        ({"sensitivity": "sea"}, ValueError, "sensitivity is 'sea'"),
        ({"sensitivity": "fisher", "mode": "floor"}, ValueError, "'fisher' knows 'closest' only"),
        ({"sensitivity": "fisher", "levels": "closest"}, ValueError, "knows 'equal-error' and 'rate'"),
        ({"sensitivity": "gradient", "levels": "rate"}, ValueError, "sensitivity 'gradient' knows 'closest'"),
        ({"sensitivity": "fisher", "paper": True}, ValueError, "paper=True fixes sensitivity to 'gradient'"),
        ({"sensitivity": "margin", "mode": "floor"}, ValueError, "'margin' knows 'closest' only"),
        ({"sensitivity": "gradient", "probes": 4}, ValueError, "a gradient is exact and has no probes"),
        ({"sensitivity": "margin", "probes": 0}, ValueError, "probes must be at least 1, got 0"),
        ({"class_weights": np.ones(4), "paper": True}, ValueError, "paper=True counts all pixels alike"),
        ({"class_weights": np.ones(3)}, ValueError, "class_weights must be . numbers from 0"),
        ({"region_blocks": 9}, ValueError, "region_blocks is 9, outside 1..8"),
        ({"image": np.zeros((4, 4, 3))}, TypeError, "image must be a uint8 array, got float64"),
        ({"image": np.zeros((4, 4, 2), np.uint8)}, ValueError, r"image must be RGB \[H, W, 3\] or grey"),
        ({"image": [[1]]}, TypeError, "image must be a uint8 array, got list"),
        ({"tables": "ladder", "budget": 1.0}, ValueError, "a budget needs a table set made for the network"),
    ],
)  # fmt: skip
def test_errors(picture, model, tables, options, error, message):
    arguments = {"image": picture, "model": model, "tables": tables} | options
    if arguments["tables"] == "ladder":
        arguments["tables"] = generic_ladder()
    with pytest.raises(error, match=message):
        encode_image(**arguments)


def test_jpeg_match_is_the_smallest_in_sight(picture, model):
    raw = labels_of(model, picture)

    def agreement(data):
        return np.mean(labels_of(model, np.asarray(Image.open(io.BytesIO(data)))) == raw)

    match = jpeg_at_agreement(picture, model, 0.985)
    assert match.agreement == agreement(match.data) >= 0.985
    for quality in range(max(1, match.quality - 5), match.quality):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=quality, subsampling="4:4:4", optimize=True)
        assert agreement(out.getvalue()) < 0.985


def test_jpeg_match_sees_a_good_quality_below_bad_ones(picture, monkeypatch):
    """Agreement is not monotone: 40 is good, 41..43 are not, 44 and above are."""
    import rdct.vision.models as models
    import stac.compare

    good = {40, *range(44, 101)}
    seen = {}

    def fake_jpeg(image, quality, subsampling):
        decoded = np.full((8, 8), quality, np.uint8)
        seen[quality] = decoded
        return bytes(quality), decoded

    def fake_labels(model, image):
        return np.full((8, 8), int(image.flat[0]) in good, np.uint8)

    monkeypatch.setattr(stac.compare, "_jpeg", fake_jpeg)
    monkeypatch.setattr(models, "labels", fake_labels)
    raw = np.ones((8, 8), np.uint8)
    assert jpeg_at_agreement(picture, None, 1.0, raw_labels=raw).quality == 40
    good.clear()
    assert jpeg_at_agreement(picture, None, 1.0, raw_labels=raw) is None


def test_grey_jpeg_match(picture, model):
    match = jpeg_at_agreement(np.ascontiguousarray(picture[..., 0]), model, 0.9)
    assert Image.open(io.BytesIO(match.data)).mode == "L"


@pytest.mark.parametrize("gradient_at", ["decoded", "raw"])
def test_fisher_levels_step_by_step(picture, model, tables, gradient_at):
    from grace import fisher_sensitivity
    from stac import equal_error_levels

    options = {"scale": 1.5, "sensitivity": "fisher", "levels": "equal-error"}
    done = encode_image(picture, model, tables, gradient_at=gradient_at, **options)
    middle = codec.QuantPlan(tables.table_set, np.full(codec.map_shape(HEIGHT, WIDTH), 8), scale=1.5)
    seen = codec.decode(codec.encode(picture, middle)) if gradient_at == "decoded" else picture
    chosen = equal_error_levels(fisher_sensitivity(model, seen), tables, scale=1.5)
    assert done.data == codec.encode(picture, middle.with_map(chosen.level_map), **WRITTEN)
    assert done.sensitivity_s > 0
    assert done.data != encode_image(picture, model, tables, scale=1.5, sensitivity="gradient").data


def test_margin_levels_and_class_weights_step_by_step(picture, model, tables):
    from grace import fisher_sensitivity, margin_sensitivity
    from stac import equal_error_levels

    middle = codec.QuantPlan(tables.table_set, np.full(codec.map_shape(HEIGHT, WIDTH), 8), scale=1.5)
    seen = codec.decode(codec.encode(picture, middle))
    classes = len(model.class_names)
    weights = np.linspace(0.1, 5, classes)
    data = set()
    for name, measure in (("fisher", fisher_sensitivity), ("margin", margin_sensitivity)):
        for class_weights in (None, weights):
            options = {"sensitivity": name, "levels": "equal-error", "class_weights": class_weights}
            done = encode_image(picture, model, tables, scale=1.5, **options)
            chosen = equal_error_levels(measure(model, seen, class_weights=class_weights), tables, scale=1.5)
            assert done.data == codec.encode(picture, middle.with_map(chosen.level_map), **WRITTEN)
            data.add(done.data)
    assert len(data) == 4
    options = {"sensitivity": "fisher", "levels": "equal-error", "probes": 3}
    done = encode_image(picture, model, tables, scale=1.5, **options)
    chosen = equal_error_levels(fisher_sensitivity(model, seen, probes=3), tables, scale=1.5)
    np.testing.assert_array_equal(done.selection.level_map, chosen.level_map)
    assert done.data not in data


def test_rate_aware_levels_step_by_step(picture, model, tables):
    from grace import fisher_sensitivity
    from stac import rate_aware_levels

    done = encode_image(picture, model, tables, scale=1.5, sensitivity="fisher", levels="rate")
    middle = codec.QuantPlan(tables.table_set, np.full(codec.map_shape(HEIGHT, WIDTH), 8), scale=1.5)
    known = fisher_sensitivity(model, codec.decode(codec.encode(picture, middle)))
    chosen = rate_aware_levels(known, tables, picture, scale=1.5)
    assert done.data == codec.encode(picture, middle.with_map(chosen.level_map), **WRITTEN)
    options = {"scale": 1.5, "sensitivity": "fisher"}
    default = encode_image(picture, model, tables, scale=1.5).data
    assert encode_image(picture, model, tables, levels="equal-error", **options).data == default != done.data
