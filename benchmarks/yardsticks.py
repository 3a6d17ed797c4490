# SPDX-License-Identifier: Apache-2.0
"""Loops of machine code whose cost on a Kaby Lake core is known, to be timed on this machine.

They are assembled by LLVM (which numba brings) from the very instructions written here, so no compiler can
change what is counted. `benchmarks.nuc` derives what each costs on the device it emulates.
"""

from __future__ import annotations

import ctypes
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = [
    "CLOCK_CYCLES",
    "LOOPS",
    "STREAM_BYTES",
    "Loop",
    "Unavailable",
    "Yardsticks",
    "assembled",
    "clock_hz",
]

#: Bytes of each of the two arrays of the memory stream: beyond the cache of any machine this is for.
STREAM_BYTES = 64 << 20
_STREAM_STEP = 64
_SCRATCH_BYTES = 1 << 14
_TARGET_SECONDS = 0.004

_GENERAL = ("rax", "rbx", "rdx", "r8", "r9", "r10", "r11", "r12")
_VECTOR = tuple(f"ymm{i}" for i in range(16))


class Unavailable(Exception):
    """This machine cannot run the loops; the text says why."""


@dataclass(frozen=True)
class Loop:
    """A loop body in AT&T syntax. %rcx counts down; %rsi and %rdi hold addresses, 64-byte aligned.

    Attributes
    ----------
    name : str
    lines : tuple of str
    clobbers : tuple of str
        Registers it changes.
    """

    name: str
    lines: tuple[str, ...]
    clobbers: tuple[str, ...]


def _clock() -> Loop:
    # 3 cycles each on every x86-64 core since Nehalem and Zen: gives the clock of this machine.
    return Loop("clock", ("imulq %rdx, %rax",) * 16, ("rax", "rdx"))


#: Cycles of an iteration of it.
CLOCK_CYCLES = 48


def _serial() -> Loop:
    # What a Huffman decoder waits for: peek, look up, drop the bits. Every step needs the one before.
    step = ("shrxq %r8, %rax, %rbx", "movl (%rsi,%rbx,4), %edx", "shlxq %rdx, %rax, %rax")
    return Loop("serial", step * 8, ("rax", "rbx", "rdx", "r8"))


def _scalar() -> Loop:
    # What a Huffman encoder does a coefficient, without its dependences: 2 loads, 5 operations, 1 store.
    low = {"rax": "eax", "rbx": "ebx", "rdx": "edx"}
    lines: list[str] = []
    for k in range(8):
        a, b, c = (_GENERAL[(k + i) % 8] for i in (0, 1, 3))
        lines += [
            f"movq {64 * k}(%rsi), %{a}",
            f"movzbl {64 * k + 8}(%rsi), %{low.get(b, b + 'd')}",
            f"shlxq %{b}, %{a}, %{a}",
            f"addq %{b}, %{c}",
            f"orq %{a}, %{c}",
            f"leaq 4(%{c}), %{c}",
            f"xorq %{b}, %{c}",
            f"movq %{c}, {64 * k}(%rdi)",
        ]
    return Loop("scalar", tuple(lines), _GENERAL)


#: Of two 8x8 forward DCTs side by side: two passes of 11 multiplications and 29 additions, one transposition,
#: the roundings; loads and stores.
VECTOR_MIX = {"mul": 22, "add": 58, "shift": 8, "shuffle": 24, "load": 8, "store": 8}


def _vector() -> Loop:
    form = {
        "mul": lambda i: f"vpmulhrsw %ymm15, %ymm{(i + 3) % 14}, %ymm{(i + 3) % 14}",
        "add": lambda i: f"vpaddw %ymm14, %ymm{(i + 6) % 14}, %ymm{(i + 6) % 14}",
        "shift": lambda i: f"vpsraw $$1, %ymm{(i + 9) % 14}, %ymm{(i + 9) % 14}",
        "shuffle": lambda i: f"vpunpcklwd %ymm15, %ymm{(i + 11) % 14}, %ymm{(i + 11) % 14}",
        "load": lambda i: f"vmovdqa {32 * i}(%rsi), %ymm{i % 14}",
        "store": lambda i: f"vmovdqa %ymm{(i + 1) % 14}, {32 * i}(%rdi)",
    }
    # Each kind spread evenly over the loop.
    places = [
        ((i + 0.5) / count, kind, form[kind](i)) for kind, count in VECTOR_MIX.items() for i in range(count)
    ]
    return Loop("vector", tuple(line for *_, line in sorted(places)), _VECTOR)


def _stream() -> Loop:
    # Copies past the caches, so each byte moves exactly twice: once in, once out.
    lines = (
        "vmovdqa (%rsi), %ymm0",
        "vmovdqa 32(%rsi), %ymm1",
        "vmovntdq %ymm0, (%rdi)",
        "vmovntdq %ymm1, 32(%rdi)",
        f"addq $${_STREAM_STEP}, %rsi",
        f"addq $${_STREAM_STEP}, %rdi",
    )
    return Loop("stream", lines, ("ymm0", "ymm1"))


LOOPS: dict[str, Loop] = {loop.name: loop for loop in (_clock(), _serial(), _scalar(), _vector(), _stream())}


@cache
def assembled(loop: Loop) -> Callable[[int, int, int], None]:
    """The loop as a function of (iterations, source address, destination address)."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unavailable(f"the yardsticks are x86-64 machine code; this machine is {platform.machine()}")
    import llvmlite.binding as llvm
    from llvmlite import ir

    features = llvm.get_host_cpu_features()
    missing = [name for name in ("avx2", "bmi2") if not features.get(name)]
    if missing:
        raise Unavailable(f"the yardsticks need AVX2 and BMI2; this machine lacks {', '.join(missing)}")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    number = ir.IntType(64)
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [number] * 3), loop.name)
    builder = ir.IRBuilder(function.append_basic_block())
    text = "\n".join([".p2align 5", "1:", *loop.lines, "decq %rcx", "jnz 1b"])
    if any(register.startswith("ymm") for register in loop.clobbers):
        text += "\nsfence\nvzeroupper"
    clobbers = ("rcx", "rsi", "rdi", "cc", "memory", *loop.clobbers)
    constraints = ",".join(["{rcx},{rsi},{rdi}", *(f"~{{{register}}}" for register in clobbers)])
    kind = ir.FunctionType(ir.VoidType(), [number] * 3)
    builder.asm(kind, text, constraints, list(function.args), True)
    builder.ret_void()
    machine = llvm.Target.from_default_triple().create_target_machine(features=features.flatten())
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(engine.get_function_address(loop.name))
    call.engine = engine  # the code lives as long as this does
    return call


def clock_hz(samples: int = 9) -> float | None:
    """Clock of this machine now, or None where the loops cannot run."""
    try:
        loop = assembled(LOOPS["clock"])
    except (Unavailable, ImportError):
        return None
    seconds = []
    for _ in range(samples):
        start = time.thread_time()
        loop(20000, 0, 0)
        seconds.append((time.thread_time() - start) / 20000)
    return CLOCK_CYCLES / statistics.median(seconds)


def _aligned(size: int) -> np.ndarray:
    """Zeros of this many bytes, 64-byte aligned, every page touched."""
    memory = np.ones(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    part = memory[start : start + size]
    part[:] = 0
    return part


class Yardsticks:
    """Times the loops, a little at every call of `sample`: it sees the machine as the benchmarks did.

    Raises
    ------
    Unavailable
        Not an x86-64 machine with AVX2 and BMI2.
    """

    def __init__(self, stream_bytes: int = STREAM_BYTES) -> None:
        self._loops = {name: assembled(loop) for name, loop in LOOPS.items()}
        self._scratch = _aligned(2 * _SCRATCH_BYTES)
        self._stream = [_aligned(stream_bytes) for _ in range(2)]
        self._iterations = dict.fromkeys(LOOPS, 1000)
        self._iterations["stream"] = stream_bytes // _STREAM_STEP
        self.samples: dict[str, list[float]] = {name: [] for name in LOOPS}
        for name in LOOPS:
            seconds = min(self._time(name) for _ in range(3))
            if name != "stream":
                self._iterations[name] = max(1, round(_TARGET_SECONDS / seconds))

    def _time(self, name: str) -> float:
        """Seconds of processor time of one iteration: what other processes take does not count."""
        if name == "stream":
            source, target = (array.ctypes.data for array in self._stream)
        else:
            source = self._scratch.ctypes.data
            target = source + _SCRATCH_BYTES
        n = self._iterations[name]
        start = time.thread_time()
        self._loops[name](n, source, target)
        return (time.thread_time() - start) / n

    def sample(self, times: int = 3) -> None:
        """Time every loop this often."""
        for _ in range(times):
            for name, seconds in self.samples.items():
                seconds.append(self._time(name))

    @property
    def seconds(self) -> dict[str, float]:
        """Median seconds of one iteration of each loop."""
        if not self.samples["clock"]:
            self.sample()
        return {name: statistics.median(seconds) for name, seconds in self.samples.items()}

    @property
    def clock_hz(self) -> float:
        """Clock of this machine over the run."""
        return CLOCK_CYCLES / self.seconds["clock"]
