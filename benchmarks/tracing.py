# SPDX-License-Identifier: Apache-2.0
"""Which instructions a kernel of csrc/dsp executes: one call, stepped through as a debugger does (Linux).

Exact, and needs no performance counters, which virtual machines seldom have.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
from collections import Counter
from functools import cache

from codec import _checkasm

__all__ = ["executed"]

_TRACEME, _PEEK, _PEEKUSER, _POKE, _POKEUSER, _CONTINUE, _KILL, _STEP = 0, 2, 3, 5, 6, 7, 8, 9
_RIP, _RSP = 16 * 8, 19 * 8  # their places in struct user of x86-64
_BREAKPOINT = 0xCC


@cache
def _disassembly() -> dict[int, tuple[str, str]]:
    """Instructions of the kernels by their offset in the extension: function, and mnemonic with operands."""
    lines = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", _checkasm.__file__],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    instructions, function = {}, ""
    for line in lines:
        if label := re.match(r"[0-9a-f]+ <(\w+)[.\w]*>:", line):
            function = label[1]
        elif function.startswith("rdct_") and (match := re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)):
            instructions[int(match[1], 16)] = function, match[2].partition("#")[0].strip()
    return instructions


def _loaded_at() -> int:
    with open("/proc/self/maps", encoding="ascii") as maps:
        return min(int(line.split("-")[0], 16) for line in maps if _checkasm.__file__ in line)


def executed(kernel: str, cpu: str) -> tuple[Counter[str], int]:
    """What one call of a kernel executes, and on how many samples.

    Parameters
    ----------
    kernel, cpu : str
        As `codec._checkasm.bench` takes them.

    Returns
    -------
    counts : collections.Counter
        By the text of the instruction.
    samples : int

    Raises
    ------
    OSError
        The system lets no process be traced, or the kernel was not called.
    """
    instructions, base = _disassembly(), _loaded_at()
    name = {"crc32c": "rdct_crc32c_sse42"}.get(kernel, f"rdct_{kernel}_{cpu}")
    entry = base + min(at for at, (function, _) in instructions.items() if function == name)
    samples = _checkasm.bench(kernel, cpu, 1)  # makes its input now, so that the child only works on it
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    child = os.fork()
    if child == 0:
        if call(_TRACEME, 0, None, None) != 0:
            os._exit(1)
        os.kill(os.getpid(), signal.SIGSTOP)
        _checkasm.bench(kernel, cpu, 1)
        os._exit(0)

    def ptrace(request: int, address: int = 0, data: int = 0) -> int:
        return call(request, child, address, data)

    def resume(request: int) -> None:
        ptrace(request)
        if not os.WIFSTOPPED(os.waitpid(child, 0)[1]):
            raise OSError(f"{name} was not called")

    if not os.WIFSTOPPED(os.waitpid(child, 0)[1]):
        raise OSError("this system lets no process be traced")
    word = ptrace(_PEEK, entry)
    ptrace(_POKE, entry, word & ~0xFF | _BREAKPOINT)
    resume(_CONTINUE)
    ptrace(_POKE, entry, word)
    ptrace(_POKEUSER, _RIP, entry)
    caller = ptrace(_PEEK, ptrace(_PEEKUSER, _RSP))
    counts: Counter[str] = Counter()
    while (at := ptrace(_PEEKUSER, _RIP)) != caller:
        counts[instructions[at - base][1]] += 1
        resume(_STEP)
    ptrace(_KILL)
    os.waitpid(child, 0)
    return counts, samples
