# SPDX-License-Identifier: Apache-2.0
"""Every kernel of every instruction set equals the scalar reference, bit for bit, on extreme inputs."""

import pytest

import codec
from codec import _checkasm

KERNELS = _checkasm.kernels()
VARIANTS = [(kernel, cpu) for kernel in KERNELS for cpu in _checkasm.cpus(kernel) if cpu != "c"]
LADDER = ("ssse3", "avx2", "avx512", "neon")


def here(cpu):
    try:
        return codec.Encoder(cpu=cpu).cpu == cpu
    except ValueError:
        return False


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("kernel", "cpu"), VARIANTS)
def test_kernel_equals_reference(kernel, cpu, seed):
    _checkasm.check(kernel, cpu, seed)


def test_quantizer_is_exact_division():
    assert _checkasm.quantizer_differs() == 0


def test_reference_has_every_kernel():
    assert all("c" in _checkasm.cpus(kernel) for kernel in KERNELS)


@pytest.mark.parametrize("cpu", LADDER)
def test_rung_brings_its_transforms(cpu):
    has = {kernel for kernel in KERNELS if cpu in _checkasm.cpus(kernel)}
    if here(cpu):
        assert set(KERNELS) - {"crc32c"} <= has
    else:
        assert not has


def test_bench_counts_samples():
    assert _checkasm.bench("rgb_to_ycc", "c", 3) == 3 * 2048
    assert _checkasm.bench("fdct_quantize", "c", 2) == 2 * 16 * 64


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="kernel is"):
        _checkasm.check("sort", "c")
    with pytest.raises(ValueError, match="cpu is"):
        _checkasm.check("crc32c", "mmx")
