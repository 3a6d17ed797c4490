"""Pooling, readings, percentages and intervals from records made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.evaluation import summary, text
from rdct.evaluation.records import Records

DIALS = list(range(8))


def write(folder, systems, pictures=6, skip=(), absent=None, modes=(None,), **run):
    """Systems cost `factor` bits at equal agreement; picture i is (10 + i) wide."""
    plan = {"settings": "v1", "table_set": None, "tables_sha256": None, "code": ""}
    shared = {"set": "s", "model": "m", "weights": "w"}
    with Records(folder) as records:
        records.add(
            "run",
            {
                **shared,
                "systems": {name: {**plan, "dials": DIALS, "modes": list(modes)} for name in systems},
                "pictures": [f"p{i}" for i in range(pictures)],
                "absent": absent or {},
                **run,
            },
        )
        for name, factor in systems.items():
            for i in range(pictures):
                for dial in DIALS:
                    if (name, i, dial) in skip:
                        continue
                    noise = int(np.random.default_rng([i, 7]).integers(-3, 4))
                    wrong = 100 - 10 * dial + noise
                    for mode in modes:
                        records.add(
                            "point",
                            {
                                **shared, **plan, "system": name, "picture": f"p{i}", "sha256": f"p{i}",
                                "truth_sha256": None, "classes": 2, "dial": dial, "tables": mode,
                                "width": 10 + i, "height": 100,
                                "bytes": round(factor * 2**dial * 10 * (10 + i)),
                                "parts": None, "agreement": 0.0, "psnr": 30.0,
                                "raw_confusion": [1000 - wrong, wrong, 0, 0, 100 * i, 0],
                                "truth_confusion": None, "encode_s": 0.1, "decode_s": 0.1, "facts": {},
                            },
                        )  # fmt: skip


def of(folder, accuracies=(0.95,), systems=None, **options):
    (group,) = summary.groups(folder, systems)
    return summary.summarise(group, accuracies, **options)


def test_pools_pixels_and_bits(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0})
    (group,) = summary.groups(tmp_path)
    (curve,) = group.curves
    bits = sum(8 * 2**3 * 10 * (10 + i) for i in range(6))
    assert curve.bpp()[3] == pytest.approx(bits / sum((10 + i) * 100 for i in range(6)))
    wrong = [100 - 30 + np.random.default_rng([i, 7]).integers(-3, 4) for i in range(6)]
    total = sum(1000 + 100 * i for i in range(6))
    assert curve.accuracy("agreement")[3] == pytest.approx(1 - sum(wrong) / total)
    assert np.isnan(curve.accuracy("miou")).all()
    hit = np.array([6000 - sum(wrong), 1500])
    assert curve.accuracy("miou_agreement")[3] == pytest.approx(
        np.mean(hit / np.array([6000, 1500 + sum(wrong)]))
    )


def test_percentages_and_exact_intervals(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0, "grace": 0.75})
    found = of(tmp_path)
    reference, row = found["rows"]
    assert row["codec"] == "grace" and row["percent"][0] == pytest.approx(-0.25, abs=1e-3)
    # Equal accuracies on every picture: whatever is drawn, the ratio is the same.
    assert row["interval"][0] == pytest.approx([-0.25, -0.25], abs=1e-3)
    assert row["bd_rate"] == pytest.approx(-0.25, abs=1e-3)
    assert reference["percent"] == [0]


def test_bootstrap_is_deterministic(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0, "grace": 0.75})
    assert of(tmp_path, resamples=50, seed=4) == of(tmp_path, resamples=50, seed=4)
    (group,) = summary.groups(tmp_path)
    with pytest.raises(ValueError, match="metric"):
        summary.summarise(group, (0.9,), metric="psnr")


def test_not_reached_is_null_with_its_reason(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0})
    found = of(tmp_path, (0.2, 0.95, 0.9999))
    assert [b is None for b in found["rows"][0]["bpp"]] == [True, False, True]
    assert found["rows"][0]["why"] == ["below the sweep", "", "not reached"]


def test_only_pictures_that_every_system_has(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0, "grace": 0.75}, skip={("grace", 2, 5)})
    found = of(tmp_path)
    assert found["pictures"] == 5 and found["left_out"] == 1
    assert of(tmp_path, systems=["jpeg-turbo-444"])["pictures"] == 6


def test_no_common_picture_is_an_error(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0}, skip={("jpeg-turbo-444", i, 0) for i in range(6)})
    with pytest.raises(ValueError, match="no picture is complete"):
        summary.groups(tmp_path)


def test_absent_rows_are_shown(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0}, absent={"jxl": "no imagecodecs here"})
    found = of(tmp_path)
    row = found["rows"][-1]
    assert row["codec"] == "jxl" and row["bpp"] == [None] and row["points"] == []
    for form in (text.as_text(found), text.as_markdown(found)):
        assert "absent: no imagecodecs here" in form
    assert text.compare_document(found)["rows"][-1]["settings"] == "absent: no imagecodecs here"


def test_table_modes_are_rows_and_meet_their_like(tmp_path):
    write(tmp_path, {"grace": 1.0, "stac-paper": 0.9}, modes=("inline", "id"))
    found = of(tmp_path, reference="grace")
    assert [(r["codec"], r["tables"], r["against"]) for r in found["rows"]] == [
        ("grace", "id", "grace (id)"),
        ("grace", "inline", "grace (inline)"),
        ("stac-paper", "id", "grace (id)"),
        ("stac-paper", "inline", "grace (inline)"),
    ]
    fixed = of(tmp_path, reference="grace (inline)")
    assert {r["against"] for r in fixed["rows"]} == {"grace (inline)"}


def test_the_latest_run_of_a_system_counts(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0})
    write(tmp_path, {"jpeg-turbo-444": 1.0}, pictures=3)
    assert of(tmp_path)["pictures"] == 3


def test_markdown_goes_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("top\n<!-- begin a -->\nold\n<!-- end a -->\nbottom\n")
    text.insert(page, "a", "new\n")
    text.insert(page, "a", "newer\n")
    assert page.read_text() == "top\n<!-- begin a -->\nnewer\n<!-- end a -->\nbottom\n"
    with pytest.raises(ValueError, match="begin b"):
        text.insert(page, "b", "new")


def test_iou_by_class_by_hand(tmp_path):
    """Pooled over the pictures, and read between two points linearly in log rate."""
    write(tmp_path, {"jpeg-turbo-444": 1.0, "grace": 0.5}, class_names=["road", "pole"])
    found = of(tmp_path, accuracies=(0.97,))
    (group,) = summary.groups(tmp_path)
    first = found["rows"][0]
    matrix = next(c for c in group.curves if c.label == "jpeg-turbo-444").raw[:, 3].sum(0)
    hit = matrix[0, 0], matrix[1, 1]
    unions = matrix[0].sum() + matrix[1, 0], matrix[1].sum() + matrix[0, 1]
    expected = [hit[0] / unions[0], hit[1] / unions[1]]
    point = first["points"][3]
    assert point["class_iou"]["raw"] == pytest.approx(expected, abs=1e-6)
    assert point["class_iou"]["truth"] is None
    rate = first["bpp"][0]
    left = [p for p in first["points"] if p["bpp"] <= rate][-1]
    right = next(p for p in first["points"] if p["bpp"] > rate)
    share = np.log(rate / left["bpp"]) / np.log(right["bpp"] / left["bpp"])
    between = [
        (1 - share) * a + share * b
        for a, b in zip(left["class_iou"]["raw"], right["class_iou"]["raw"], strict=True)
    ]
    assert first["class_iou"][0]["raw"] == pytest.approx(between, abs=1e-5)
    # A system of half the bits at the same labels has the same IoU at equal agreement.
    assert found["rows"][1]["class_iou"][0]["raw"] == pytest.approx(between, abs=1e-5)
    for shown in (text.as_text(found, per_class=True), text.as_markdown(found, per_class=True)):
        assert "IoU of each class, per cent against raw, at agreement 0.97" in shown
        assert "road" in shown and "pole" in shown and f"{100 * between[1]:.1f}" in shown
    assert "IoU of each class" not in text.as_text(found)


def test_iou_by_class_where_nothing_can_be_said(tmp_path):
    write(tmp_path, {"jpeg-turbo-444": 1.0}, absent={"jxl": "not here"})
    found = of(tmp_path, accuracies=(0.9999,))
    assert found["rows"][0]["class_iou"] == [None] and found["rows"][1]["class_iou"] == []
    assert "IoU of each class" not in text.as_text(found, per_class=True)


def test_a_class_that_nobody_has_has_no_iou():
    from rdct.evaluation.classes import class_iou, iou_at

    matrix = np.array([[[[8.0, 2, 0, 0], [1, 9, 0, 0], [0, 0, 0, 0]]]])
    curve = type("Curve", (), {"raw": matrix, "truth": matrix[..., :2, [0, 1, 3]]})()
    found = class_iou(curve)
    assert found["raw"] == [[round(8 / 11, 6), 0.75, None]]
    assert found["truth"] == [[round(8 / 11, 6), 0.75]]
    assert iou_at(found["raw"], np.array([1.0]), 1.0)[2] is None
    assert iou_at(found["raw"], np.array([1.0]), None) is None
