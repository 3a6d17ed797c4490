# SPDX-License-Identifier: Apache-2.0
"""Builds codec._core from csrc and codec/_core.pyx; everything else is in pyproject.toml.

Generated C goes to build/, never into the tree. No flag depends on the machine: faster instruction sets are
compiled in through target attributes and chosen at run time.
"""

import re
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "([^"]+)"', (ROOT / "codec/__init__.py").read_text("utf-8"), re.MULTILINE
)[1]


def under(pattern: str) -> list[str]:
    """Files of csrc, relative as setuptools wants them; the fuzzers have a main of their own, tests an
    extension.
    """
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "csrc").rglob(pattern))
    return sorted(path for path in found if not path.startswith(("csrc/fuzz/", "csrc/tests/")))


core = Extension(
    "codec._core",
    sources=["codec/_core.pyx", *under("*.c")],
    depends=["codec/rdct.pxd", "codec/_core_borrowed.pxi", "codec/_core_functions.pxi", *under("*.h")],
    include_dirs=["csrc", "csrc/include", numpy.get_include()],
    define_macros=[("RDCT_VERSION", f'"{VERSION}"'), ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden", "-pthread"],
    extra_link_args=["-pthread"],
)

checkasm = Extension(
    "codec._checkasm",
    sources=[
        "codec/_checkasm.pyx",
        "csrc/tests/checkasm.c",
        "csrc/tests/checkrdo.c",
        "csrc/enc/rdo.c",
        "csrc/common/status.c",
        "csrc/common/tables.c",
        *(path for path in under("*.c") if path.startswith("csrc/dsp/")),
    ],
    depends=["csrc/tests/checkasm.h", "csrc/tests/checkrdo.h", *under("*.h")],
    include_dirs=["csrc", "csrc/include"],
    extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden"],
)

setup(ext_modules=cythonize([core, checkasm], build_dir="build/cython", language_level=3))
