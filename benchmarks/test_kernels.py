# SPDX-License-Identifier: Apache-2.0
"""The parts of the codec by instruction set.

*Stages* are what `codec._core` lets one call alone, on the whole picture. *Kernels* are single functions of
csrc/dsp, on data in the first-level cache, through `codec._checkasm` where it has been built; README.md says
what this file asks of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

import codec
from benchmarks.settings import Setting
from codec import _core

CPUS = ("c", "ssse3", "avx2", "avx512", "neon")
_ASKED = ("kernels", "cpus", "check", "bench")


def available(cpu: str) -> bool:
    try:
        codec.Encoder(cpu=cpu)
    except ValueError:
        return False
    return True


def best_is_below(cpu: str) -> bool:
    """Whether $RDCT_CPU (as --nuc sets it) asks for less than this."""
    best = codec.Encoder().cpu
    return cpu in CPUS and best in CPUS and CPUS.index(cpu) > CPUS.index(best)


@pytest.fixture(params=CPUS)
def cpu(request: pytest.FixtureRequest) -> str:
    if not available(request.param):
        pytest.skip(f"{request.param} is not in this build or not on this machine")
    if best_is_below(request.param):
        pytest.skip(f"{request.param} is above what this run allows")
    return request.param


STAGES = ("encode_planes", "quantize", "encode", "decode_coefficients", "decode_planes", "decode")


def stage(name: str, setting: Setting, cpu: str) -> Callable:
    """A function without arguments that runs one stage on one thread."""
    encoder, decoder = codec.Encoder(cpu=cpu), codec.Decoder(cpu=cpu)
    rgb, plan, subsampling = setting.picture.rgb, setting.plan, setting.subsampling
    stream = setting.stream("huffman-fixed")
    sets = stream.table_sets
    return {
        "encode_planes": lambda: encoder.encode_planes(rgb, subsampling).planes,
        "quantize": lambda: encoder.quantize(rgb, plan, subsampling).planes,
        "encode": lambda: encoder.encode(
            rgb, plan, subsampling=subsampling, entropy="huffman-fixed", tables="id"
        ),
        "decode_coefficients": lambda: decoder.decode_coefficients(stream.data, sets).planes,
        "decode_planes": lambda: decoder.decode_planes(stream.data, sets).planes,
        "decode": lambda: decoder.decode(stream.data, table_sets=sets),
    }[name]


def equal(one: object, other: object) -> bool:
    if isinstance(one, bytes):
        return one == other
    ones, others = (x if isinstance(x, tuple) else (x,) for x in (one, other))
    return all(np.array_equal(a, b) for a, b in zip(ones, others, strict=True))


@pytest.mark.parametrize("name", STAGES)
def test_stage(timed: Callable, setting: Setting, cpu: str, name: str) -> None:
    run, reference = stage(name, setting, cpu), stage(name, setting, "c")
    assert equal(run(), reference()), f"{name} with {cpu} differs from the scalar reference"
    timed(
        run,
        group=f"stage {name} {setting.subsampling}",
        row=cpu,
        pixels=setting.picture.pixels,
        against={} if cpu == "c" else {"c": reference},
        codec="rdct",
        version=codec.__version__,
        cpu=cpu,
        threads=1,
    )


def checkasm():
    """The test extension, or a skip that says what is missing."""
    module = pytest.importorskip("codec._checkasm", reason="codec._checkasm is not built")
    missing = [name for name in _ASKED if not hasattr(module, name)]
    if missing:
        pytest.skip(f"codec._checkasm has no {', '.join(missing)}: see benchmarks/README.md")
    return module


def kernel_names() -> list[str]:
    try:
        from codec import _checkasm
    except ImportError:
        return []
    return list(getattr(_checkasm, "kernels", list)())


def enough_calls(run: Callable[[int], int], seconds: float = 0.005) -> int:
    """So many that what `bench` does before and after does not show."""
    calls = 64
    while True:
        start = time.thread_time()
        run(calls)
        if time.thread_time() - start >= seconds or calls >= 1 << 24:
            return calls
        calls *= 2


@pytest.mark.parametrize("kernel", kernel_names() or [None])
def test_kernel(timed: Callable, cpu: str, kernel: str | None) -> None:
    module = checkasm()
    if cpu not in module.cpus(kernel):
        pytest.skip(f"{kernel} has no {cpu} version")
    module.check(kernel, cpu)  # AssertionError unless equal to the reference, bit for bit
    calls = enough_calls(lambda calls: module.bench(kernel, cpu, calls))
    samples = module.bench(kernel, cpu, calls)
    against = {} if cpu == "c" else {"c": lambda: module.bench(kernel, "c", calls)}
    timed(
        lambda: module.bench(kernel, cpu, calls),
        group=f"kernel {kernel}",
        row=cpu,
        pixels=samples,
        against=against,
        codec="rdct",
        version=codec.__version__,
        cpu=cpu,
        threads=1,
        unit="samples",
    )


def test_core_names_the_instruction_sets() -> None:
    assert set(CPUS) <= set(_core.CPUS)
