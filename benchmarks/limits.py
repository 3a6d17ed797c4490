# SPDX-License-Identifier: Apache-2.0
"""How far each kernel is from what this machine can do: ``python -m benchmarks.limits``.

What the machine can do is measured, not looked up: instructions of each kind, independent of each other, give
what a cycle can start of them; copies between arrays of several sizes give the bytes a cycle can move. What a
kernel asks for is counted (benchmarks/tracing.py). The port limit of a kernel is then the largest of

    instructions / most of all kinds, vector operations / most of those, shuffles / most of those, ...

in cycles: nothing that executes these instructions takes less. That all could be fed, it does not promise.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import codec
from benchmarks.peers import REFERENCE, open_peer
from benchmarks.pictures import road_frame
from benchmarks.settings import RATES, Setting
from benchmarks.tracing import executed
from benchmarks.yardsticks import Loop, assembled, clock_hz
from codec import _checkasm

__all__ = ["KINDS", "SHARES", "kinds_of", "machine_bytes", "machine_limits", "main", "port_limit"]

CPUS = {"avx2": "ymm", "avx512": "zmm"}
#: Bytes in and out for one sample, tables (which stay in the first-level cache) aside.
BYTES = {
    "rgb_to_ycc": 3 + 6,
    "grey_to_y": 1 + 2,
    "downsample_h2": 4 + 2,
    "downsample_h2v2": 8 + 2,
    "fdct_quantize": 2 + 2 + 1 / 8,
    "dequant_idct": 2 + 2 + 1 / 8,
    "upsample_v2": 4 + 2,
    "upsample_h2": 2 + 4,
    "ycc_to_rgb8": 6 + 3,
    "ycc_to_rgb16": 6 + 6,
    "ycc_to_rgbf": 6 + 12,
    "y_to_grey8": 2 + 1,
    "y_to_grey16": 2 + 2,
    "y_to_greyf": 2 + 4,
    "crc32c": 1,
}
#: Calls of each kernel, 64 samples each, a block of a whole picture.
SHARES = {
    ("encode", "444"): {"rgb_to_ycc": 1 / 3, "fdct_quantize": 1},
    ("encode", "420"): {"rgb_to_ycc": 2 / 3, "downsample_h2v2": 1 / 3, "fdct_quantize": 1},
    ("decode", "444"): {"dequant_idct": 1, "ycc_to_rgb8": 1 / 3},
    ("decode", "420"): {"dequant_idct": 1, "upsample_v2": 2 / 3, "upsample_h2": 2 / 3, "ycc_to_rgb8": 2 / 3},
}
#: Instructions that stand for their kind; {r}: a register of its own, {i}: an offset of its own.
KINDS = {
    "issue": ("vpaddw %{v}15, %{v}{r}, %{v}{r}", "incq %{g}", "incq %{g}", "nop"),
    "vector": ("vpaddw %{v}15, %{v}{r}, %{v}{r}",),
    "saturating": ("vpaddsw %{v}15, %{v}{r}, %{v}{r}",),
    "multiply": ("vpmulhrsw %{v}15, %{v}{r}, %{v}{r}",),
    "shift": ("vpsraw $$1, %{v}{r}, %{v}{r}",),
    "shuffle": ("vpshufb %{v}15, %{v}{r}, %{v}{r}",),
    "load": ("vmovups {i}(%rsi), %{v}{r}",),
    "store": ("vmovups %{v}{r}, {i}(%rdi)",),
    "crc": ("crc32q %rsi, %{g}",),
}
_BY_NAME = {
    "saturating": ("vpaddsw", "vpsubsw"),
    "multiply": ("vpmul", "vpmadd"),
    "shift": ("vpsll", "vpsra", "vpsrl"),
    "shuffle": ("vpshuf", "vpack", "vperm", "vshuf", "vinsert", "vextract", "vpmovz", "vpbroad"),
}
_GENERAL = ("rax", "rbx", "rdx", "r8", "r9", "r10", "r11", "r12")
_ARRAYS = {"L2": 256 << 10, "memory": 64 << 20}
_TIMES = 40000
_APART = 2112  # bytes that keep stores from looking like the loads to come


def kinds_of(instruction: str) -> list[str]:
    """The kinds of `KINDS` that one instruction, as objdump writes it, counts for."""
    name, _, operands = instruction.partition(" ")
    operands = re.sub(r"\(.*?\)", "[]", operands)
    memory, stores = "[]" in operands, operands.rpartition(",")[2].endswith("[]")
    if name.startswith("crc32"):
        return ["issue", "crc"]
    if not name.startswith("v"):  # a conditional jump is one with the comparison before it
        return [] if name.startswith("j") and name != "jmp" else ["issue"]
    kinds = ["issue"]
    if memory:
        kinds.append("store" if stores else "load")
    copies = name.startswith(("vmov", "vzero")) and "%k" not in operands  # which renaming does for nothing
    if not copies and not (name.startswith("vbroad") and memory):
        kinds.append("vector")
        kinds += [kind for kind, names in _BY_NAME.items() if name.startswith(names)]
    return kinds


def _median_seconds(call: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.thread_time()
        call()
        seconds.append(time.thread_time() - start)
    return statistics.median(seconds)


def _median_cycles(call: Callable[[], object], times: int = 11) -> float:
    """Each time beside the clock of that moment."""
    return statistics.median(_median_seconds(call, 1) * (clock_hz(3) or 0.0) for _ in range(times))


def _room(size: int) -> np.ndarray:
    memory = np.ones(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    return memory[start : start + size]


def machine_limits(register: str) -> dict[str, float]:
    """Instructions of each kind a cycle, in registers ``ymm`` or ``zmm``."""
    room, limits, clobbers = _room(1 << 14), {}, (*_GENERAL, *(f"ymm{i}" for i in range(16)))
    for kind, forms in KINDS.items():
        lines = [
            forms[i % len(forms)].format(v=register, r=i % 14, g=_GENERAL[i % 8], i=64 * (i % 32))
            for i in range(96)
        ]
        loop = assembled(Loop(f"{kind}-{register}", tuple(lines), clobbers))
        source = room.ctypes.data
        limits[kind] = len(lines) * _TIMES / _median_cycles(partial(loop, _TIMES, source, source + (1 << 13)))
    return limits


def machine_bytes(register: str) -> dict[str, float]:
    """Bytes a cycle, in and out together, of a copy within the second-level cache and one beyond all."""
    width = 64 if register == "zmm" else 32
    lines = []
    for i in range(0, 256, width):
        lines += [
            f"vmovups {i}(%rsi), %{register}{i // width}",
            f"vmovups %{register}{i // width}, {i}(%rdi)",
        ]
    lines += ["addq $$256, %rsi", "addq $$256, %rdi"]
    loop = assembled(Loop(f"copy-{register}", tuple(lines), tuple(f"ymm{i}" for i in range(8))))
    rates = {}
    for name, size in _ARRAYS.items():
        source, target = _room(size), _room(size + _APART)[_APART:]
        passes = max(1, (8 << 20) // size)

        def copy(source=source, target=target, passes=passes, size=size) -> None:
            for _ in range(passes):
                loop(size // 256, source.ctypes.data, target.ctypes.data)

        rates[name] = 2 * size * passes / _median_cycles(copy)
    return rates


def _cycles(kernel: str, cpu: str) -> float:
    """Of 64 samples, on data in the first-level cache."""
    calls = 256
    while _median_seconds(partial(_checkasm.bench, kernel, cpu, calls), 1) < 0.002:
        calls *= 2
    samples = _checkasm.bench(kernel, cpu, calls)
    run = partial(_checkasm.bench, kernel, cpu, calls)
    return 64 / samples * min(_median_cycles(run) for _ in range(3))


def port_limit(kernel: str, cpu: str, limits: dict[str, float]) -> tuple[float, str]:
    """Cycles of 64 samples that the instructions alone take, and the kind that sets them."""
    counts, samples = executed(kernel, cpu)
    kinds: Counter[str] = Counter()
    for instruction, count in counts.items():
        for kind in kinds_of(instruction):
            kinds[kind] += count
    cycles, kind = max((kinds[kind] / rate, kind) for kind, rate in limits.items())
    return 64 / samples * cycles, kind


def _stages(setting: Setting, cpu: str) -> tuple[dict[str, Callable[[], object]], int, int]:
    """Whole operations, fixed Huffman tables, one thread; blocks of the picture; nonzero coefficients."""
    encoder, decoder = codec.Encoder(cpu=cpu, threads=1), codec.Decoder(cpu=cpu, threads=1)
    rgb, stream = setting.picture.rgb, setting.stream("huffman-fixed")
    planes = decoder.decode_coefficients(stream.data, stream.table_sets).planes
    options = {"subsampling": setting.subsampling, "entropy": "huffman-fixed", "tables": "id"}
    out = np.empty_like(rgb)
    stages = {
        "encode": lambda: encoder.encode(rgb, setting.plan, **options),
        "decode": lambda: decoder.decode(stream.data, out=out, table_sets=stream.table_sets),
    }
    return stages, sum(plane.size for plane in planes) // 64, sum(map(np.count_nonzero, planes))


def print_kernels(cpus: Sequence[str]) -> dict[str, dict[str, float]]:
    """The table of the kernels; returns their cycles by instruction set."""
    limits = {cpu: machine_limits(CPUS[cpu]) for cpu in cpus}
    for cpu in cpus:
        print(f"{cpu}, a cycle: " + ", ".join(f"{rate:.2f} {kind}" for kind, rate in limits[cpu].items()))
    rates = machine_bytes(CPUS[cpus[-1]])
    print("Bytes a cycle: " + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items()))
    print("\n| kernel | bytes | L2 | memory |" + "".join(f" {cpu} | port limit | of it |" for cpu in cpus))
    print("|---|---|---|---|" + "---|---|---|" * len(cpus))
    found: dict[str, dict[str, float]] = {cpu: {} for cpu in cpus}
    for kernel, size in BYTES.items():
        cells = [f"{64 * size:.0f}", *(f"{64 * size / rate:.1f}" for rate in rates.values())]
        for cpu in cpus:
            if cpu not in _checkasm.cpus(kernel):
                cells += ["", "", ""]
                continue
            cycles, (limit, kind) = _cycles(kernel, cpu), port_limit(kernel, cpu, limits[cpu])
            cells += [f"{cycles:.1f}", f"{limit:.1f} {kind}", f"{limit / cycles:.0%}"]
            found[cpu][kernel] = cycles
        print(f"| {kernel} | " + " | ".join(cells) + " |")
    return found


def print_shares(settings: Sequence[Setting], kernels: dict[str, dict[str, float]]) -> None:
    """What whole operations take, and what of it is not kernels: entropy coding above all."""
    print("\n| | set | cycles a block | in kernels | the rest | a nonzero coefficient |")
    print("|---|---|---|---|---|---|")
    for setting in settings:
        for cpu, cycles in kernels.items():
            stages, blocks, nonzero = _stages(setting, cpu)
            for name, call in stages.items():
                call()
                whole = _median_cycles(call) / blocks
                inside = sum(cycles[k] * n for k, n in SHARES[name, setting.subsampling].items())
                rest = whole - inside
                print(
                    f"| {name} {setting.subsampling} | {cpu} | {whole:.0f} | {inside:.0f} "
                    f"| {rest:.0f} ({rest / whole:.0%}) | {rest * blocks / nonzero:.1f} |"
                )


def main() -> None:
    """Print the machine's limits, the kernels against them, and the kernels' share of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        picture = road_frame(Path(folder))
    settings = [Setting(picture, name, open_peer(REFERENCE)) for name in RATES]
    cpus = [cpu for cpu in CPUS if cpu in _checkasm.cpus("fdct_quantize")]
    print_shares(settings, print_kernels(cpus))


if __name__ == "__main__":
    main()
