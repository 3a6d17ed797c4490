# SPDX-License-Identifier: Apache-2.0
"""Emulation of the end device of the STAC paper: an Intel NUC7i5DNHE.

The device: Core i5-7300U (Kaby Lake), 2 cores with 2 threads each, AVX2, 3 MB of last-level cache, 3.5 GHz
turbo (with both cores too), 15 W; two channels of DDR4-2133, 34.1 GB/s. `pytest benchmarks --nuc` does two
things.

**It takes away what the device lacks.** pytest starts again in a fresh process with two cores and AVX2 at
most, in everyone's code: `environment` lists the variables. What cannot be taken away: this machine's
caches, its wider cores, its clock. What the device has and this does not emulate: two threads a core.

**It says how much slower the device would be**, as a range, from two yardsticks timed before every
benchmark: loops of machine code (benchmarks/yardsticks.py) whose cost on a Kaby Lake core follows from
documented latencies and throughputs (Agner Fog's tables and microarchitecture manual, uops.info, Intel's
optimisation manual):

=========  ============================================================================  =============
loop       what it is, and what limits it there                                          cost there
=========  ============================================================================  =============
serial     8 times shrx (1) -> indexed load from L1 (5) -> shlx (1), each awaiting the   56 cycles
           last: the recurrence of a Huffman decoder. Latency
scalar     64 instructions, 2 loads : 5 operations : 1 store as in a Huffman encoder,    16.25 cycles
           and dec+jnz fused: 65 micro-operations. Renaming, 4 a cycle (ports 0156
           need 10.25, loads 8, stores 8)
vector     the 22 multiplications, 58 additions, 8 shifts and 24 shuffles of two 8x8     37.33 cycles
           DCTs, 256 bits wide. Ports 0, 1 and 5: 112 / 3 (multiplications and shifts
           on 0 and 1: 15; shuffles on 5: 24; renaming: 32.5)
stream     a copy of 64 MiB past the caches, 128 bytes moved an iteration, at 70 % of    5.36 ns
           34.1 GB/s, which one core of such a machine sustains (all cores read at up
           to 90 %)
=========  ============================================================================  =============

`llvm-mca -mcpu=skylake -dispatch=4` agrees: 56.0, 16.5 and 37.4 cycles. (Kaby Lake's core is Skylake's.)

*compute* = serial / 4 + scalar / 4 + vector / 2, each as time there / time here, as about half the time of
a DCT codec goes into entropy coding. *memory* = the same of stream. The range runs from the smaller to the
larger.

How to read it. The compute yardstick flatters the device: it charges the ideal of Kaby Lake's ports and
knows nothing of its smaller windows for reordering, 256 KiB of L2 and 3 MB of L3, so that a picture (6 MB)
that stays in the cache here comes from memory there, nor of older branch prediction. That is why the upper
end is the memory ratio, although a codec moves its picture once or twice and waits for memory for a few per
cent of its time. On Zen 5 at 4.0 GHz the parts were: serial 1.14 (which is the clocks' ratio), scalar 1.7,
vector 1.5, so compute 1.45; memory 2.0 to 2.6, as the neighbours on the machine allow. A ratio to a peer
needs none of this: both sides ran here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CORES",
    "DEVICE",
    "MARK",
    "Slowdown",
    "device_seconds",
    "environment",
    "slowdown",
    "two_cores",
]

DEVICE = "Intel NUC7i5DNHE"
CORES = 2
#: Set in the process that emulates, so that it does not start another.
MARK = "RDCT_BENCHMARK_DEVICE"

CLOCK_HZ = 3.5e9
PEAK_BYTES_PER_SECOND = 34.1e9
SUSTAINED = 0.70

CYCLES = {"serial": 56.0, "scalar": 65 / 4, "vector": 112 / 3}
SHARES = {"serial": 0.25, "scalar": 0.25, "vector": 0.5}
STREAM_BYTES_MOVED = 128


@dataclass(frozen=True)
class Slowdown:
    """How many times longer the device takes.

    Attributes
    ----------
    parts : dict
        Ratio of each loop: "serial", "scalar", "vector", "stream".
    compute, memory : float
        The two yardsticks.
    """

    parts: Mapping[str, float]
    compute: float
    memory: float

    @property
    def low(self) -> float:
        return min(self.compute, self.memory)

    @property
    def high(self) -> float:
        return max(self.compute, self.memory)

    def emulated(self, seconds: float) -> tuple[float, float]:
        """Range of what took `seconds` here."""
        return seconds * self.low, seconds * self.high


def device_seconds() -> dict[str, float]:
    """Seconds of one iteration of each loop on the device."""
    seconds = {name: cycles / CLOCK_HZ for name, cycles in CYCLES.items()}
    seconds["stream"] = STREAM_BYTES_MOVED / (PEAK_BYTES_PER_SECOND * SUSTAINED)
    return seconds


def slowdown(measured: Mapping[str, float]) -> Slowdown:
    """The device against this machine.

    Parameters
    ----------
    measured : mapping
        Seconds of one iteration of each loop here (`Yardsticks.seconds`).
    """
    for name in (*CYCLES, "stream"):
        if not measured[name] > 0:
            raise ValueError(f"measured[{name!r}] must be positive seconds, got {measured[name]!r}")
    parts = {name: there / measured[name] for name, there in device_seconds().items()}
    compute = sum(share * parts[name] for name, share in SHARES.items())
    return Slowdown(parts, compute, parts["stream"])


def environment(
    codec_cpu: str = "avx2", numpy_dispatch: Iterable[str] = (), numba_features: str = ""
) -> dict[str, str]:
    """The variables of the fresh process.

    Parameters
    ----------
    codec_cpu : str
        The instruction set of ours: AVX2, or the next lower one that this build has.
    numpy_dispatch : iterable of str
        Feature groups this numpy chooses from at run time (names differ between versions).
    numba_features : str
        As LLVM writes them. Without them numba would keep this machine's, whatever its CPU is called.
    """
    beyond = [name for name in numpy_dispatch if "AVX512" in name or name in ("X86_V4", "AVX10")]
    threads = str(CORES)
    return {
        MARK: "nuc",
        "RDCT_CPU": codec_cpu,
        "OPENCV_CPU_DISABLE": "AVX512F,AVX512-SKX",
        "OPENCV_FOR_THREADS_NUM": threads,
        "NPY_DISABLE_CPU_FEATURES": " ".join(beyond),
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": threads,
        "NUMBA_CPU_NAME": "skylake",
        "NUMBA_CPU_FEATURES": numba_features,
        "NUMBA_NUM_THREADS": threads,
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "MKL_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }


def host_environment() -> dict[str, str]:
    """`environment` for the libraries installed here."""
    dispatch: Sequence[str] = ()
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatch
    except ImportError:  # numpy 1
        from numpy.core._multiarray_umath import __cpu_dispatch__ as dispatch
    features = ""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        pass
    else:
        beyond = ("avx512", "avx10", "amx", "avxvnni", "avxifma", "avxneconvert")
        kept = llvm.get_host_cpu_features()
        for name in kept:
            if name.startswith(beyond) or name in ("gfni", "vaes", "vpclmulqdq"):
                kept[name] = False
        features = kept.flatten()
    return environment(_codec_cpu(), dispatch, features)


def _codec_cpu() -> str:
    import codec

    for name in ("avx2", "ssse3"):
        try:
            codec.Encoder(cpu=name)
        except ValueError:
            continue
        return name
    return "c"


def two_cores(allowed: Iterable[int], topology: Path = Path("/sys/devices/system/cpu")) -> list[int]:
    """Two of the allowed logical processors, on different cores where the system says so."""
    chosen: dict[str, int] = {}
    rest: list[int] = []
    for cpu in sorted(allowed):
        try:
            core = (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
        except OSError:
            core = str(cpu)
        if core in chosen:
            rest.append(cpu)
        else:
            chosen[core] = cpu
    return (list(chosen.values()) + rest)[:CORES]


def start(command: Sequence[str], cwd: Path) -> int:
    """Run a command as on the device and return its exit status."""
    import subprocess

    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, two_cores(allowed))
    try:
        return subprocess.call(list(command), cwd=cwd, env={**os.environ, **host_environment()})
    finally:
        os.sched_setaffinity(0, allowed)
