"""What the tests of the commands share: a way to run them, a picture, a tiny network and its tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
MAINS = {
    "encode": ("stac.cli_encode", "main"),
    "decode": ("stac.cli_decode", "main"),
    "edge": ("rdct.offload.cli_edge", "main"),
    "serve": ("rdct.offload.cli_serve", "main"),
}
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
    from stac.cli_encode import main

    return lambda *argv: _run(main, argv, capfdbinary)


@pytest.fixture
def decode(capfdbinary):
    """Run stac-decode in this process: .code, .out (bytes), .err (str)."""
    from stac.cli_decode import main

    return lambda *argv: _run(main, argv, capfdbinary)


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
        module, main = MAINS[name]
        code = f"import sys; {block}from {module} import {main} as main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, argv)],
            input=input if input is not None else b"",
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_environment() | (env or {}),
            check=False,
            timeout=120,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr.decode())

    return run


class Serving:
    """stac-serve in its own process."""

    def __init__(self, *argv):
        code = "import sys; from rdct.offload.cli_serve import main; sys.exit(main(sys.argv[1:]))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--json", *map(str, argv)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1].decode())
        self.told = json.loads(line)
        self.port = self.told["port"]
        self.address = f"127.0.0.1:{self.port}"

    def stop(self, number=signal.SIGTERM):
        """Send a signal and wait: .code, .out (the lines after the first), .err."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        lines = [json.loads(line) for line in out.splitlines()]
        return SimpleNamespace(code=self.process.returncode, out=lines, err=err.decode())


def _environment():
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    }


@pytest.fixture
def serving_with():
    """Start stac-serve with these arguments; stopped after the test."""
    started = []

    def start(*argv):
        started.append(Serving(*argv))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def serving(serving_with, tiny_tables):
    """Start stac-serve with the tiny network and more arguments."""
    return lambda *argv: serving_with("--model", TINY, "--tables", tiny_tables, *argv)


@pytest.fixture(scope="session")
def server(tiny_tables):
    """One stac-serve for all tests that only need one; keyframes may wait, machines are slow."""
    server = Serving("--model", TINY, "--tables", tiny_tables, "--port", 0, "--patience", 30)
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.fixture(scope="session")
def red():
    """One stac-serve --system dds with a small detector, for all tests that only need one."""
    model = f"detector:{HERE / 'networks' / 'red.py'}:make"
    server = Serving("--system", "dds", "--model", model, "--port", 0, "--patience", 60, "--max-area", 0.2)
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.fixture
def frames(folder):
    """A folder of twelve frames of a picture that wanders off: frames/."""
    (folder / "frames").mkdir()
    wide = make_picture(72, 240)
    for index in range(12):
        Image.fromarray(wide[:, 8 * index : 8 * index + 96]).save(folder / "frames" / f"{index}.png")
    return folder / "frames"


@pytest.fixture
def edge(capfdbinary):
    """Run stac-edge in this process: .code, .out (bytes), .err (str)."""
    from rdct.offload.cli_edge import main

    return lambda *argv: _run(main, argv, capfdbinary)


@pytest.fixture
def serve(capfdbinary):
    """Run stac-serve in this process, for what ends at once: .code, .out (bytes), .err (str)."""
    from rdct.offload.cli_serve import main

    return lambda *argv: _run(main, argv, capfdbinary)
