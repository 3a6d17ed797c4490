"""The .rdts file: what is saved is loaded, and what is damaged is refused with a reason."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

import codec
from grace import NetworkTables, load_tables
from grace.tables import grace_table, level_offsets, log_base


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    gradient = rng.lognormal(-14, 0.7, (3, 8, 8))
    coefficients = 3.0 * 64 * 2700
    base = log_base(grace_table(gradient, 1.5, coefficients))
    bands = np.zeros((2, 4, 256), np.uint8)
    counts = np.ones(256, np.int64)
    counts[12:] = 0
    bands[:, ::2] = codec.huffman_lengths(counts)
    from grace.bands import AC_SYMBOLS

    counts = np.zeros(256, np.int64)
    counts[AC_SYMBOLS] = 1
    bands[:, 1::2] = codec.huffman_lengths(counts)
    return NetworkTables(
        table_set=codec.TableSet.from_log(base, level_offsets(16, 4.0), bands),
        mean_gradient=gradient,
        mean_coefficient=rng.lognormal(1, 2, (3, 8, 8)),
        coefficients=coefficients,
        budget=1.5,
        rho=4.0,
        calibration={"uniform": {10: 6.0, 50: 1.25, 90: 0.3}, "regions": {10: 7.0, 90: 0.25}},
        provenance={"model": "toy", "pictures": 3},
    )


def test_round_trip(tables, tmp_path):
    path = tmp_path / "t.rdts"
    tables.save(path)
    found = NetworkTables.load(path)
    assert found.table_set == tables.table_set and found.id == tables.id
    np.testing.assert_array_equal(found.table_set.bands, tables.table_set.bands)
    np.testing.assert_array_equal(found.mean_gradient, tables.mean_gradient)
    np.testing.assert_array_equal(found.mean_coefficient, tables.mean_coefficient)
    np.testing.assert_array_equal(found.budgets, tables.budgets)
    np.testing.assert_array_equal(found.capped, tables.capped)
    for name in ("budget", "rho", "coefficients", "subsampling", "region_blocks"):
        assert getattr(found, name) == getattr(tables, name)
    assert found.calibration == tables.calibration and found.provenance == tables.provenance
    assert codec.TableSet.load(path) == tables.table_set
    assert [p.name for p in tmp_path.iterdir()] == ["t.rdts"]
    assert path.stat().st_mode & 0o777 == 0o644 or path.stat().st_mode & 0o600 == 0o600


def test_class_shares_are_optional(tables, tmp_path):
    """Files of before they were counted still load; where they are there, they come back as shares."""
    assert tables.class_shares is None and "class_shares" not in tables.to_json()
    path = tmp_path / "t.rdts"
    tables.save(path)
    assert "class_shares" not in path.read_text() and NetworkTables.load(path).class_shares is None
    counted = replace(tables, class_shares=[3, 1, 0])
    assert counted.class_shares.tolist() == counted.to_json()["class_shares"] == [0.75, 0.25, 0]
    counted.save(path)
    found = NetworkTables.load(path)
    assert found.class_shares.tolist() == [0.75, 0.25, 0] and found.id == tables.id
    for wrong in ([0, 0], [1, -1], [[1, 2]], [1, np.nan]):
        with pytest.raises(ValueError, match="class_shares must be numbers from 0"):
            replace(tables, class_shares=wrong)
    path.write_text(path.read_text().replace("[0.75, 0.25, 0.0]", '"many"'))
    with pytest.raises(ValueError, match="damaged table set"):
        NetworkTables.load(path)


def test_steps_are_those_of_the_formula(tables):
    exact = grace_table(tables.mean_gradient, tables.budget, tables.coefficients)
    middle = tables.table_set.tables[tables.middle]
    inside = exact < 4000
    assert inside.all()
    assert (np.abs(middle - exact) <= 0.022 * exact + 0.5).all()
    assert tables.middle == 8 and tables.budgets[8] == tables.budget
    assert (np.diff(tables.table_set.tables.astype(int), axis=0) >= 0).all()


def test_compact_form(tables):
    image = np.zeros((24, 24, 3), np.uint8)
    plan = codec.QuantPlan(tables.table_set, np.zeros((1, 1), np.uint8))
    header = codec.read_header(codec.encode(image, plan))
    assert header.table_bytes <= 300
    by_id = codec.read_header(codec.encode(image, plan, tables="id"), table_sets=[tables.table_set])
    assert by_id.table_bytes <= 9


def test_capped(tables):
    capped = tables.capped
    assert capped.dtype == np.uint16 and capped.shape == (3, 8, 8)
    assert (capped <= np.maximum(np.rint(2 * tables.mean_coefficient), 1)).all()
    assert tables.capped_at(15.0).mean() > capped.mean()
    assert tables.capped_at(1e6, 255).max() <= 255


def test_scales(tables):
    assert tables.scale_for_budget(3.0) == 2.0
    assert tables.scale_for_budget(1e9) == pytest.approx(65535 / 256)
    assert tables.scale_for_quality(50, "uniform") == 1.25
    assert tables.scale_for_quality(50) == pytest.approx((7 * 0.25) ** 0.5)
    assert tables.scale_for_quality(1) == pytest.approx(7.0)
    assert tables.scale_for_quality(90) == 0.25 == pytest.approx(tables.scale_for_quality(100))
    scales = [tables.scale_for_quality(q, "uniform") for q in range(1, 101)]
    assert scales == sorted(scales, reverse=True)
    with pytest.raises(ValueError, match=r"quality must be 1..100, got 0"):
        tables.scale_for_quality(0)
    with pytest.raises(ValueError, match="use must be"):
        tables.scale_for_quality(50, "grace")
    with pytest.raises(ValueError, match="budget must be positive"):
        tables.scale_for_budget(0)


def test_save_that_fails_leaves_nothing(tables, tmp_path):
    bad = NetworkTables(
        **{**{n: getattr(tables, n) for n in ("table_set", "mean_gradient", "mean_coefficient")}},
        coefficients=1.0,
        budget=1.0,
        rho=4.0,
        provenance={"model": float("nan")},
    )
    with pytest.raises(ValueError):
        bad.save(tmp_path / "t.rdts")
    assert not list(tmp_path.iterdir())


def damaged(entries, change):
    entries = json.loads(json.dumps(entries))
    change(entries)
    return json.dumps(entries)


DAMAGES = [
    (lambda e: e.update(format="x"), "not a table set"),
    (lambda e: e.update(version=2), "version 2; this program reads 1"),
    (lambda e: e.pop("budget"), "'budget' is missing"),
    (lambda e: e.update(budget=0), "budget must be positive"),
    (lambda e: e.update(budget="high"), "damaged"),
    (lambda e: e.update(budget=None), "damaged"),
    (lambda e: e.update(rho=0.5), "rho must be at least 1"),
    (lambda e: e.update(subsampling="411"), "subsampling must be one of"),
    (lambda e: e.update(subsampling=[]), "damaged"),
    (lambda e: e.update(region_blocks=9), "region_blocks must be"),
    (lambda e: e.update(id="0" * 16), "its entry says 0000"),
    (lambda e: e.update(table_set="&"), "no base64"),
    (lambda e: e.update(table_set=e["table_set"][:-8]), "damaged"),
    (lambda e: e.update(table_set=""), "damaged"),
    (lambda e: e.update(mean_gradient=[[1.0]]), "mean_gradient is"),
    (lambda e: e["mean_gradient"][0].__setitem__(0, -1.0), "finite and not negative"),
    (lambda e: e.update(mean_coefficient="x"), "damaged"),
    (lambda e: e.update(calibration={"regions": {"101": 1.0}}), "no quality 101"),
    (lambda e: e.update(calibration={"regions": {"x": 1.0}}), "damaged"),
    (lambda e: e.update(calibration={"regions": {"50": -1.0}}), "at scale -1"),
    (lambda e: e.update(calibration={"other": {}}), "not 'other'"),
    (lambda e: e.update(calibration=[]), "damaged"),
    (lambda e: e.update(provenance=[]), "provenance is no object"),
]


@pytest.mark.parametrize("change,message", DAMAGES)
def test_damaged_files_are_refused(tables, tmp_path, change, message):
    path = tmp_path / "t.rdts"
    tables.save(path)
    path.write_text(damaged(json.loads(path.read_text()), change))
    with pytest.raises(ValueError, match=message) as info:
        NetworkTables.load(path)
    assert str(info.value).startswith(str(path))


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[1, 2]", "not a table set"),
        (b'{"format": "rdct-network-tables", "version": 1, "budget": NaN}', "holds NaN"),
        (b'{"format": "rdct-network-tables", "version": 1}', "'table_set' is missing"),
        (b" " * (9 << 20), "too large"),
        (b"[" * 100000, "damaged|no JSON"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "t.rdts"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        NetworkTables.load(path)


def test_each_flipped_bit_of_the_set_is_noticed(tables, tmp_path):
    path = tmp_path / "t.rdts"
    tables.save(path)
    entries = json.loads(path.read_text())
    data = bytearray(base64.b64decode(entries["table_set"]))
    for at in range(0, len(data), 97):
        data[at] ^= 1
        entries["table_set"] = base64.b64encode(data).decode()
        path.write_text(json.dumps(entries))
        with pytest.raises(ValueError):
            NetworkTables.load(path)
        data[at] ^= 1


def test_the_shipped_set_counted_its_classes():
    shares = load_tables("bisenet-camvid").class_shares
    assert shares.shape == (11,) and shares.sum() == pytest.approx(1) and shares.min() > 0


def test_load_tables(tables, tmp_path):
    path = tmp_path / "t.rdts"
    with pytest.raises(FileNotFoundError, match=r"t\.rdts"):
        load_tables(path)
    with pytest.raises(
        FileNotFoundError, match=r"shipped for 'nonesuch'.*stac-tables build --model nonesuch"
    ):
        load_tables("nonesuch")
    tables.save(path)
    assert load_tables(path).id == load_tables(str(path)).id == tables.id


def test_wrong_construction(tables):
    kwargs = {n: getattr(tables, n) for n in ("table_set", "mean_gradient", "mean_coefficient")}
    with pytest.raises(ValueError, match=r"mean_gradient must be \[3, 8, 8\]"):
        NetworkTables(**{**kwargs, "mean_gradient": np.ones(3)}, coefficients=1, budget=1, rho=4)
    with pytest.raises(ValueError, match="coefficients must be positive"):
        NetworkTables(**kwargs, coefficients=0, budget=1, rho=4)
