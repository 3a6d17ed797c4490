"""The source distribution holds what a build needs, and importing costs little."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sdist_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    script = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (archive,) = out.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        return {name.partition("/")[2] for name in tar.getnames()}


def test_sdist_holds_sources_and_data(sdist_names):
    wanted = [
        "setup.py",
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "codec/_core.pyx",
        "codec/_core_borrowed.pxi",
        "codec/_core_functions.pxi",
        "codec/_core.pyi",
        "codec/rdct.pxd",
        "csrc/include/rdct.h",
        "csrc/dsp/dsp.h",
    ]
    wanted += [
        "rdct/baselines/data/espcn_x2.safetensors",
        "rdct/vision/models/data/LICENSE-WEIGHTS",
        "examples/street.png",
        "rdct/offload/offload.proto",
    ]
    wanted += [str(path.relative_to(ROOT)) for path in (ROOT / "rdct/evaluation/scenarios").glob("*.toml")]
    wanted += [
        str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*.[ch]") if "fuzz" not in path.parts
    ]
    assert not [name for name in wanted if name not in sdist_names]


def test_sdist_holds_nothing_generated(sdist_names):
    assert not [
        name for name in sdist_names if name.endswith((".so", ".o", ".pyc")) or name == "codec/_core.c"
    ]


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    "package",
    [
        "codec",
        "grace",
        "stac",
        "rdct.vision",
        "rdct.vision.metrics",
        "rdct.evaluation",
        "stac.cli_decode",
        "stac.cli_encode",
        "rdct.offload",
        "rdct.offload.wire",
        "stac.edge",
        "stac.server",
    ],
)
def test_importing_does_not_load_heavy_packages(package):
    heavy = run_python(
        f"import sys, {package}; print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    assert heavy == "[]"


def test_importing_the_codec_loads_only_numpy():
    loaded = run_python(
        "import sys, codec\n"
        "print([name for name in ('PIL', 'scipy', 'numba', 'cv2', 'torch') if name in sys.modules])"
    )
    assert loaded == "[]"
