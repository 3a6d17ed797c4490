"""Toy networks and pictures small enough for exact checks."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


class Toy(nn.Module):
    """A tiny smooth network with a receptive field of 7 pixels, computing in `dtype`."""

    def __init__(self, classes: int = 4, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, classes, 5, padding=2)
        ).to(dtype)
        for parameter in self.net.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data.copy_(noise * 0.3)
        self.dtype = dtype
        self.class_names = tuple(f"class {index}" for index in range(classes))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net((x.to(self.dtype) - 128) / 64)


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="session")
def make_toy() -> type[Toy]:
    return Toy


def smooth_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 RGB: a few random waves and a little noise, nothing saturated."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.full((height, width, 3), 128.0)
    for _ in range(6):
        fy, fx = rng.uniform(-0.15, 0.15, 2)
        wave = np.sin(fy * y + fx * x + rng.uniform(0, 6.3))
        picture += wave[..., None] * rng.uniform(-18, 18, 3)
    picture += rng.normal(0, 4, picture.shape)
    return np.clip(np.round(picture), 4, 251).astype(np.uint8)


@pytest.fixture(scope="session")
def picture():
    return smooth_picture
