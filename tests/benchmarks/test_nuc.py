# SPDX-License-Identifier: Apache-2.0
"""The emulated device: its arithmetic, its environment, and that the loops are what was counted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import nuc
from benchmarks.yardsticks import LOOPS, VECTOR_MIX, Unavailable, Yardsticks


def test_a_machine_like_the_device_is_as_fast():
    found = nuc.slowdown(nuc.device_seconds())
    assert found.compute == pytest.approx(1)
    assert found.memory == pytest.approx(1)
    assert found.emulated(2.0) == pytest.approx((2.0, 2.0))


def test_costs_on_the_device():
    seconds = nuc.device_seconds()
    assert seconds["serial"] == pytest.approx(16e-9)
    assert seconds["scalar"] == pytest.approx(16.25 / 3.5 * 1e-9)
    assert seconds["vector"] == pytest.approx(112 / 3 / 3.5 * 1e-9)
    assert seconds["stream"] == pytest.approx(128 / (0.7 * 34.1e9))
    assert sum(nuc.SHARES.values()) == pytest.approx(1)


def test_range_runs_from_the_smaller_to_the_larger_yardstick():
    there = nuc.device_seconds()
    here = {"serial": there["serial"], "scalar": there["scalar"] / 2, "vector": there["vector"] / 1.5}
    found = nuc.slowdown({**here, "stream": there["stream"] / 2.4})
    assert found.compute == pytest.approx(0.25 * 1 + 0.25 * 2 + 0.5 * 1.5)
    assert (found.low, found.high) == pytest.approx((1.5, 2.4))
    assert found.emulated(0.01) == pytest.approx((0.015, 0.024))
    slow_memory = nuc.slowdown({**here, "stream": there["stream"] * 2})
    assert (slow_memory.low, slow_memory.high) == pytest.approx((0.5, 1.5))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_nonsense_measurements_are_refused(value):
    with pytest.raises(ValueError, match="vector"):
        nuc.slowdown({**nuc.device_seconds(), "vector": value})


def test_loops_hold_the_instructions_the_costs_count():
    serial = LOOPS["serial"].lines
    assert [line.split()[0] for line in serial] == ["shrxq", "movl", "shlxq"] * 8
    assert nuc.CYCLES["serial"] == 8 * (1 + 5 + 1)

    scalar = LOOPS["scalar"].lines
    assert len(scalar) == 64
    assert sum("(%rdi)" in line for line in scalar) == 8
    assert sum("(%rsi)" in line for line in scalar) == 16
    assert nuc.CYCLES["scalar"] == (len(scalar) + 1) / 4

    vector = LOOPS["vector"].lines
    on_ports = [line for line in vector if line.startswith("vp")]
    assert nuc.CYCLES["vector"] == len(on_ports) / 3
    assert len(vector) - len(on_ports) == VECTOR_MIX["load"] + VECTOR_MIX["store"]
    # Nothing else is the limit: multipliers on two ports, shuffles on one, four renamed a cycle.
    multiplied = VECTOR_MIX["mul"] + VECTOR_MIX["shift"]
    others = (multiplied / 2, VECTOR_MIX["shuffle"], (len(vector) + 1) / 4)
    assert max(others) < nuc.CYCLES["vector"]

    moved = 32 * sum(line.startswith(("vmovdqa", "vmovntdq")) for line in LOOPS["stream"].lines)
    assert moved == nuc.STREAM_BYTES_MOVED


def test_the_loops_run():
    try:
        yardsticks = Yardsticks(stream_bytes=1 << 16)
    except (Unavailable, ImportError) as error:
        pytest.skip(str(error))
    yardsticks.sample(2)
    assert all(len(samples) == 2 for samples in yardsticks.samples.values())
    assert set(yardsticks.seconds) == set(LOOPS)
    assert all(0 < seconds < 1e-3 for seconds in yardsticks.seconds.values())
    found = nuc.slowdown(yardsticks.seconds)
    assert 0 < found.low <= found.high


def test_environment_takes_away_what_the_device_lacks():
    found = nuc.environment("avx2", ["AVX2", "AVX512F", "AVX512_SKX", "X86_V3", "X86_V4"], "+avx2,-avx512f")
    assert found["RDCT_CPU"] == "avx2"
    assert found["NPY_DISABLE_CPU_FEATURES"].split() == ["AVX512F", "AVX512_SKX", "X86_V4"]
    assert found["NUMBA_CPU_NAME"] == "skylake"
    assert "+avx512" not in found["NUMBA_CPU_FEATURES"]
    assert "AVX512-SKX" in found["OPENCV_CPU_DISABLE"]
    assert {value for name, value in found.items() if name.endswith("NUM_THREADS")} == {"2"}


def test_libraries_obey_the_environment():
    script = (
        "import warnings; warnings.simplefilter('error')\n"
        "import codec, cv2, numpy as np, numba\n"
        "assert codec.Encoder().cpu in ('c', 'ssse3', 'avx2'), codec.Encoder().cpu\n"
        "assert not cv2.checkHardwareSupport(256), 'OpenCV has AVX512-SKX'\n"
        "np.ones(1000).sum()\n"
        "umath = np._core._multiarray_umath if hasattr(np, '_core') else np.core._multiarray_umath\n"
        "beyond = [n for n in umath.__cpu_dispatch__ if 'AVX512' in n or n == 'X86_V4']\n"
        "assert not any(umath.__cpu_features__[n] for n in beyond), beyond\n"
        "add = numba.njit('f8(f8[::1])')(lambda x: x.sum())\n"
        "assert 'zmm' not in next(iter(add.inspect_asm().values()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **nuc.host_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "unknown CPU feature" not in done.stderr


def test_two_cores_are_different_ones(tmp_path):
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert nuc.two_cores({0, 1, 2, 3}, tmp_path) == [0, 1]
    assert nuc.two_cores({0, 2, 3}, tmp_path) == [0, 3]
    assert nuc.two_cores({0, 2}, tmp_path) == [0, 2]
    assert nuc.two_cores({5}, tmp_path) == [5]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process to cores")
def test_command_runs_pinned_in_that_environment(tmp_path):
    before = os.sched_getaffinity(0)
    script = (
        "import os, sys; "
        f"sys.exit(7 if os.environ['{nuc.MARK}'] == 'nuc' and len(os.sched_getaffinity(0)) <= 2 else 1)"
    )
    assert nuc.start([sys.executable, "-c", script], tmp_path) == 7
    assert os.sched_getaffinity(0) == before
