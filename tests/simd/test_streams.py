# SPDX-License-Identifier: Apache-2.0
"""A stream, and what it decodes to, do not depend on the instruction set."""

import platform

import numpy as np
import pictures
import pytest

import codec

CPUS = ("ssse3", "avx2", "avx512", "neon")
ARM = platform.machine() in ("aarch64", "arm64")
SIZES = ((1, 1), (8, 8), (17, 23), (64, 64), (121, 250))


@pytest.fixture(params=CPUS)
def cpu(request):
    try:
        codec.Encoder(cpu=request.param)
    except ValueError:
        if request.param == "neon" and not ARM:
            pytest.skip("this is not an arm64 machine; run csrc/tests/neon.sh")
        pytest.skip(f"{request.param} is not in this build or not on this machine")
    return request.param


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
@pytest.mark.parametrize("size", SIZES)
def test_same_bytes_and_samples(cpu, size, subsampling):
    image = pictures.street(*size, 1 if subsampling == "grey" else 3)
    for entropy in ("huffman", "huffman-fixed"):
        for form in ("rdct", "jpeg"):
            options = {"quality": 85, "subsampling": subsampling, "entropy": entropy, "format": form}
            data = codec.encode(image, **options, cpu="c")
            assert codec.encode(image, **options, cpu=cpu) == data
            for dtype in (np.uint8, np.uint16, np.float32):
                expected = codec.decode(data, dtype=dtype, cpu="c")
                assert np.array_equal(codec.decode(data, dtype=dtype, cpu=cpu), expected)


@pytest.mark.skipif(not ARM, reason="this is not an arm64 machine; run csrc/tests/neon.sh")
def test_neon_is_chosen_on_arm(monkeypatch):
    monkeypatch.delenv("RDCT_CPU", raising=False)
    assert codec.Encoder().cpu == "neon"


def test_environment_chooses(cpu, monkeypatch):
    monkeypatch.setenv("RDCT_CPU", cpu)
    assert codec.Encoder().cpu == cpu
    assert codec.Encoder(cpu="c").cpu == "c"


def test_unknown_instruction_sets_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="cpu"):
        codec.Encoder(cpu="mmx")
    monkeypatch.setenv("RDCT_CPU", "mmx")
    with pytest.raises(ValueError, match="RDCT_CPU"):
        codec.Encoder()


def test_missing_instruction_sets_are_refused():
    missing = "ssse3" if codec.Encoder().cpu in ("neon", "c") else "neon"
    with pytest.raises(ValueError, match="not available"):
        codec.Encoder(cpu=missing)
