"""What the tests of the commands share: a way to run them, a picture, a tiny network and its tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
TINY = f"{HERE / 'networks' / 'tiny.py'}:make"


def make_picture(height=72, width=96, seed=3):
    """Smooth patches with edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.stack([90 + 60 * np.sin(x / 17 + k) + 50 * np.cos(y / (9 + 4 * k)) for k in range(3)], -1)
    image[height // 3 : height // 2, width // 4 : width // 2] += (90, -40, 10)
    image[height // 2 :, width // 2 :] = image[height // 2 :, width // 2 :].mean((0, 1))
    image += rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def picture():
    return make_picture()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with one picture, street.png."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_picture()).save("street.png")
    return tmp_path


@pytest.fixture
def encode(capfdbinary):
    """Run stac-encode in this process: .code, .out (bytes), .err (str)."""
    from stac.cli import main_encode

    return lambda *argv: _run(main_encode, argv, capfdbinary)


@pytest.fixture
def decode(capfdbinary):
    """Run stac-decode in this process: .code, .out (bytes), .err (str)."""
    from stac.cli import main_decode

    return lambda *argv: _run(main_decode, argv, capfdbinary)


def _run(main, argv, capture):
    capture.readouterr()
    try:
        code = main([str(argument) for argument in argv])
    except SystemExit as stop:
        code = stop.code
    out, err = capture.readouterr()
    return SimpleNamespace(code=code, out=out, err=err.decode())


@pytest.fixture
def tiny():
    """Spec of the tiny network."""
    return TINY


@pytest.fixture(scope="session")
def tiny_tables(tmp_path_factory):
    """Path of a table set for the tiny network, made from one picture."""
    from codec import TableSet
    from grace import NetworkTables, coefficient_gradients
    from grace.tables import grace_table, level_offsets, log_base
    from rdct.vision import models

    model = models.load(TINY)
    gradients = coefficient_gradients(model, make_picture())
    mean = gradients.mean_magnitude()
    coefficients = gradients.coefficients
    # The budget at which steps have a geometric mean of 12.
    budget = float(12 / np.exp(np.log(grace_table(mean, 1.0, coefficients)).mean()))
    tables = NetworkTables(
        table_set=TableSet.from_log(
            log_base(np.clip(grace_table(mean, budget, coefficients), 1, 4095)), level_offsets(16, 4.0)
        ),
        mean_gradient=mean,
        mean_coefficient=np.full((3, 8, 8), 10.0),
        coefficients=coefficients,
        budget=budget,
        rho=4.0,
        calibration={
            "regions": {1: 8.0, 50: 2.0, 75: 1.0, 100: 0.1},
            "uniform": {1: 6.0, 50: 1.5, 75: 0.75, 100: 0.1},
        },
        provenance={"model": "tiny"},
    )
    path = tmp_path_factory.mktemp("tables") / "tiny.rdts"
    tables.save(path)
    return path


@pytest.fixture
def command():
    """Run a command in its own process: command(name, *argv, without=(packages,), input=bytes)."""

    def run(name, *argv, without=(), input=None, env=None, stdout=subprocess.PIPE):
        block = "".join(f"sys.modules[{package!r}] = None; " for package in without)
        code = f"import sys; {block}from stac.cli import main_{name} as main; sys.exit(main(sys.argv[1:]))"
        root = HERE.parents[1]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        }
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, argv)],
            input=input if input is not None else b"",
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment | (env or {}),
            check=False,
            timeout=120,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr.decode())

    return run
