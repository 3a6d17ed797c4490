"""Fake against actual gradients, and the spread of ln(rho) against gain."""

from __future__ import annotations

import json

import numpy as np
import pytest

import codec
from rdct.evaluation import figures
from rdct.evaluation.pictures import read_picture
from rdct.evaluation.records import Records
from rdct.vision import models


def test_fake_is_actual_where_the_network_is_right(toy, pictures):
    """With the network's own labels of the decoded picture for truth, both gradients are one."""
    model = models.load(toy)
    image = read_picture(sorted(pictures[0].iterdir())[0])
    decoded = codec.decode(codec.encode(image, quality=40, subsampling="444", format="jpeg"))
    own = models.labels(model, decoded)
    same, other = figures.compare_gradients(model, image, own, (40, 10))
    assert same["cosine"] == pytest.approx(1) and same["correlation"] == pytest.approx(1)
    assert same["loss_fake"] == pytest.approx(same["loss_actual"])
    assert same["bound_fake"] == pytest.approx(same["bound_actual"])
    assert other["cosine"] < 0.999 and other["bpp"] < same["bpp"]
    wrong = next(figures.compare_gradients(model, image, (own + 1) % 3, (40,)))
    assert wrong["loss_actual"] > wrong["loss_fake"] and wrong["cosine"] < 0.5


def test_measure_and_table(toy, pictures, tmp_path, capsys):
    out = tmp_path / "o"
    words = ["measure", "--images", str(pictures[0]), "--labels", str(pictures[1]), "--model", toy]
    assert figures.main([*words, "--qualities", "20,80", "-o", str(out)]) == 0
    page = tmp_path / "page.md"
    page.write_text("<!-- begin f -->\n<!-- end f -->\n")
    drawn = tmp_path / "f.png"
    words = ["gradients", str(out), "--plot", str(drawn), "--into", str(page), "--section", "f"]
    assert figures.main(words) == 0
    shown = page.read_text()
    assert "toy on" in shown and "figures measure --images" in shown and drawn.stat().st_size > 5000
    points = [json.loads(line) for line in (out / figures.FILE).read_text().splitlines()][1:]
    mean = np.mean([p["loss_fake"] for p in points if p["quality"] == 80])
    assert len(points) == 4 and f"| 80 | {np.mean([p['bpp'] for p in points[1::2]]):.3f} |" in shown
    assert f"| {mean:.3f} |" in shown
    assert figures.main(["gradients", str(tmp_path)]) == 1 and "measure" in capsys.readouterr().err
    assert figures.main(["gradients", str(out), "--into", str(page)]) == 2


def records(folder, spreads, gains) -> None:
    """As `stac-eval run` writes them: two curves that differ by a factor picture by picture."""
    about = {"set": "s", "model": "m", "weights": "w", "resize": None}
    plan = {"settings": "", "table_set": None, "tables_sha256": None, "code": "1", "modes": [None]}
    dials = list(range(8))
    pictures = [f"sha{index}" for index in range(len(spreads))]
    systems = {name: {**plan, "dials": dials} for name in ("grace", "stac-paper")}
    with Records(folder) as out:
        out.add(
            "run",
            {**about, "systems": systems, "pictures": pictures, "absent": {}, "command": "c", "commit": "d"},
        )
        for sha256, spread, gain in zip(pictures, spreads, gains, strict=True):
            for name, factor in (("grace", 1), ("stac-paper", gain)):
                for dial in dials:
                    hit = 9600 + 50 * dial
                    facts = {"ln_rho_std": spread + dial / 100} if name == "stac-paper" else {}
                    out.add("point", {
                        **about, **plan, "sha256": sha256, "picture": sha256, "system": name, "dial": dial,
                        "tables": None, "bytes": factor * 100 * 2**dial, "width": 100, "height": 100,
                        "raw_confusion": [hit, 10000 - hit, 0, 0, 0, 0], "truth_confusion": None,
                        "encode_s": 0, "decode_s": 0, "psnr": None, "facts": facts, "parts": None,
                    })  # fmt: skip


def test_spread(tmp_path):
    spreads = np.array([0.5, 0.8, 0.9, 1.2, 1.4])
    records(tmp_path / "o", spreads, np.exp(-0.2 * spreads))
    shown = figures.spread_table(tmp_path / "o", ("grace", "stac-paper"))
    assert f"| sha0 | 0.535 | {100 * np.expm1(-0.1):+.1f} % |" in shown
    assert "Of 5 pictures" in shown and "Pearson -1.00" in shown and "Spearman -1.00" in shown
    assert "mean spread 0.99" in shown
    with pytest.raises(ValueError, match="holds grace"):
        figures.spread_table(tmp_path / "o", ("grace", "stac"))
    records(tmp_path / "few", spreads[:3], np.ones(3))
    with pytest.raises(ValueError, match="need 4"):
        figures.spread_table(tmp_path / "few", ("grace", "stac-paper"))
