"""A toy network, two pictures with labels, and network tables for it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

TOY = '''
import torch
from torch import nn


class Toy(nn.Module):
    """Three classes by smoothed colour: red, green, blue."""

    num_classes = 3
    name = "toy"

    def __init__(self):
        super().__init__()
        self.smooth = nn.Conv2d(3, 3, 5, padding=2, groups=3, bias=False)
        nn.init.constant_(self.smooth.weight, 1 / 25)

    def forward(self, x):
        return self.smooth(x) * 0.1


def toy():
    return Toy()
'''


@pytest.fixture
def toy(tmp_path) -> str:
    """Spec of the toy network."""
    path = tmp_path / "toy_network.py"
    path.write_text(TOY)
    return f"{path}:toy"


def picture(seed: int, height: int = 72, width: int = 96) -> np.ndarray:
    """Smooth colour fields with edges and grain: their labels change as a codec gets coarser."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(40, 215, (6, 8, 3)).astype(np.float32)
    field = np.stack(
        [np.asarray(Image.fromarray(small[..., c]).resize((width, height), Image.BICUBIC)) for c in range(3)],
        -1,
    )
    return np.clip(field + rng.normal(0, 12, field.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """Folder of two pictures, and one of their labels."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for seed in (1, 2):
        image = picture(seed)
        Image.fromarray(image).save(images / f"p{seed}.png")
        Image.fromarray(image.argmax(-1).astype(np.uint8)).save(labels / f"p{seed}.png")
    return images, labels


@pytest.fixture
def tables(tmp_path) -> str:
    """Network tables whose middle level is that of JPEG quality 80; they foretell by the place alone."""
    import codec
    from grace import NetworkTables, SensitivityPredictor
    from grace.predictor import FEATURES, Layer
    from grace.tables import level_offsets, log_base

    steps = codec.ijg_table(80).astype(float)
    coefficients, budget = 3.0 * 72 * 96, 0.01
    place = np.zeros((1, FEATURES), np.int16)
    place[0, -1] = 256
    made = NetworkTables(
        table_set=codec.TableSet.from_log(log_base(steps), level_offsets(16, 4.0)),
        mean_gradient=2 * budget / (coefficients * steps),
        mean_coefficient=np.full((3, 8, 8), 4.0),
        coefficients=coefficients,
        class_shares=[6, 3, 1],
        budget=budget,
        rho=4.0,
        calibration={"regions": {10: 4.0, 95: 0.25}, "uniform": {10: 4.0, 95: 0.25}},
        predictor=SensitivityPredictor((Layer(place, [-500000], 8),)),
    )
    path = tmp_path / "toy.rdts"
    made.save(path)
    return str(path)
