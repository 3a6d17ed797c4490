"""Super-resolution: the network, its training, and the server that asks it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch

from rdct.baselines import train_sr
from rdct.baselines.cloudseg import CloudSegServer
from rdct.baselines.super_resolution import SuperResolution, load, save, upscaled
from rdct.baselines.uniform import UniformEdge
from rdct.vision.regions import Matches, match

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def renderings():
    """Streets whose seeds training never saw (it saw 1000 to 1399)."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import street
    finally:
        sys.path.remove(str(EXAMPLES))
    return [street.Scene(seed, 240, 180).frame(0)[0] for seed in (9100, 9101, 9102)]


@pytest.mark.parametrize(("quality", "gain_db"), [(None, 0.6), (75, 0.4)])
def test_the_shipped_weights_beat_bicubic_interpolation(renderings, quality, gain_db):
    bicubic, network = train_sr.score(load(), renderings, quality)
    assert network > bicubic + gain_db


def test_untrained_it_is_bicubic_interpolation(renderings):
    small = train_sr.degraded(renderings[0], None)
    found = upscaled(SuperResolution(8, 1).eval(), small)
    wanted = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert np.abs(found.astype(int) - wanted).mean() < 1.0


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 31)])
def test_any_size_is_doubled(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert upscaled(load(), image).shape == (2 * size[0], 2 * size[1], 3)


def test_files_of_something_else_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(FileNotFoundError, match="train_sr"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "junk").write_bytes(b"no weights")
    save_file({"x": torch.zeros(1)}, str(tmp_path / "other"))
    save(SuperResolution(8, 1), tmp_path / "good", {"seed": "1"})
    assert sum(one.numel() for one in load(tmp_path / "good").parameters()) > 100
    for name in ("junk", "other"):
        with pytest.raises(ValueError, match="no weights of this network"):
            load(tmp_path / name)


def test_training_learns(tmp_path, capsys):
    """A few steps from bicubic interpolation on: sharper edges, on the picture it saw."""
    image = np.zeros((64, 64, 3), np.uint8)
    for x0, y0, side, grey in np.random.default_rng(0).integers((0, 0, 5, 0), (50, 50, 30, 256), (40, 4)):
        image[y0 : y0 + side, x0 : x0 + side] = grey
    cv2.imwrite(str(tmp_path / "edges.png"), image)
    out = tmp_path / "out.safetensors"
    options = ["--iterations", "80", "--batch", "4", "--side", "32", "--coded", "0", "--rate", "5e-3"]
    command = [str(tmp_path), "-o", str(out), "--held-out", str(tmp_path), *options]
    assert train_sr.main(command) == 0
    bicubic, network = train_sr.score(load(out), [image], None)
    assert network > bicubic + 0.5
    assert "JPEG none: bicubic" in capsys.readouterr().out


def test_the_task_s_loss_reaches_the_network(renderings):
    """CloudSeg's loss is lower for the true picture than for the interpolated one, and has a gradient."""

    class Edges(torch.nn.Module):
        """Labels what is brighter than its surroundings: lost by interpolation."""

        def forward(self, image):
            grey = image.mean(1, keepdim=True)
            rest = torch.nn.functional.avg_pool2d(grey, 5, 1, 2)
            return torch.cat([grey - rest, rest - grey], 1)

    planes = [
        cv2.cvtColor(one, cv2.COLOR_RGB2YCrCb)
        for one in (train_sr.degraded(renderings[0], None), renderings[0])
    ]
    small, whole = (torch.from_numpy(one).permute(2, 0, 1)[None].float() / 255 for one in planes)
    network = SuperResolution(8, 1)
    blurred = train_sr.task_loss(Edges(), network(small[:, :1]), small, whole)
    assert train_sr.task_loss(Edges(), whole[:, :1], small, whole) < blurred
    blurred.backward()
    assert network.tail.weight.grad.abs().sum() > 0


def test_a_drawn_clip(by_hand):
    detector = by_hand.RedDetector()
    edge = partial(UniformEdge.from_welcome, scale=0.5)
    run = by_hand.play(edge, CloudSegServer(detector), by_hand.walk(8))
    assert set(detector.shown) == {(96, 144)}  # enlarged before it looks
    total = Matches()
    for frame in run.frames:
        total += match(run.results[frame.index].regions, by_hand.RedDetector()(frame.image).regions(0.5))
    assert total.f1 == 1.0


@pytest.mark.parametrize(
    ("scale", "enlarge", "seen"), [(1.0, None, 96), (0.75, None, 96), (0.35, False, 68), (0.35, True, 96)]
)
def test_other_scales(by_hand, scale, enlarge, seen):
    detector = by_hand.RedDetector()
    edge = partial(UniformEdge.from_welcome, scale=scale)
    by_hand.play(edge, CloudSegServer(detector, enlarge=enlarge), by_hand.walk(1))
    assert detector.shown[0][0] == seen
