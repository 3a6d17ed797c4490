# SPDX-License-Identifier: Apache-2.0
"""What an instruction counts for, and that a traced kernel executes what its name says."""

import platform
import shutil
import sys

import pytest

from benchmarks.limits import kinds_of


@pytest.mark.parametrize(
    ("instruction", "kinds"),
    [
        ("vmovdqu %ymm0,(%rcx,%rax,2)", {"issue", "store"}),
        ("vmovdqu (%rcx,%rax,2),%ymm0", {"issue", "load"}),
        ("vmovdqa %ymm0,%ymm1", {"issue"}),
        ("vpsubsw (%r8,%rax,2),%ymm2,%ymm0", {"issue", "load", "vector", "saturating"}),
        ("vpunpcklwd %zmm1,%zmm2,%zmm3", {"issue", "vector"}),
        ("cmp %edi,%edx", {"issue"}),
        ("jg 20000 <rdct_upsample_v2_avx2+0x20>", set()),
    ],
)
def test_kinds(instruction, kinds):
    assert set(kinds_of(instruction)) == kinds


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which("objdump") is None,
    reason="tracing needs x86-64 Linux and objdump",
)
def test_crc_is_traced():
    from benchmarks.tracing import executed
    from codec import _checkasm

    if "avx2" not in _checkasm.cpus("crc32c"):
        pytest.skip("avx2 is not on this machine")
    try:
        counts, samples = executed("crc32c", "avx2")
    except OSError as error:
        pytest.skip(str(error))
    words = sum(n for instruction, n in counts.items() if instruction.startswith("crc32q"))
    assert words == samples // 8
