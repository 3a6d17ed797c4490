"""What is shipped, loaded once, and one rendered clip for all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FRAMES, FPS = 30, 15


@pytest.fixture(scope="session")
def model():
    from rdct.vision import models

    return models.load(models.DEFAULT_MODEL)


@pytest.fixture(scope="session")
def tables():
    from grace import load_tables
    from rdct.vision import models

    return load_tables(models.DEFAULT_MODEL)


@pytest.fixture(scope="session")
def clip():
    """Frames of a drive down a rendered street, 320x240 at 15 frames a second."""
    from rdct.vision.frames import Frame

    sys.path.insert(0, str(EXAMPLES))
    try:
        from street import Scene
    finally:
        sys.path.remove(str(EXAMPLES))
    scene = Scene(3, 320, 240)
    return [Frame(t, t / FPS, scene.frame(t)[0]) for t in range(FRAMES)]
