# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
# SPDX-License-Identifier: Apache-2.0
"""Kernels of csrc/dsp by instruction set: equal to the scalar reference? how fast? For tests and benchmarks only."""

cdef extern from "rdct.h":
    int RDCT_CPU_C
    int RDCT_CPU_SSSE3
    int RDCT_CPU_AVX2
    int RDCT_CPU_AVX512
    int RDCT_CPU_NEON

cdef extern from "tests/checkasm.h" nogil:
    const char *rdct_checkasm_kernel(int i)
    int rdct_checkasm_has(int kernel, int cpu)
    int rdct_checkasm_check(int kernel, int cpu, unsigned seed, char *message, size_t size)
    size_t rdct_checkasm_bench(int kernel, int cpu, int calls)
    int rdct_checkasm_quantizer()

cdef extern from "tests/checkrdo.h" nogil:
    int rdct_checkrdo(unsigned seed, int blocks)

_CPUS = {
    "c": RDCT_CPU_C,
    "ssse3": RDCT_CPU_SSSE3,
    "avx2": RDCT_CPU_AVX2,
    "avx512": RDCT_CPU_AVX512,
    "neon": RDCT_CPU_NEON,
}


def kernels():
    """list of str: the fields of RdctDsp."""
    names = []
    while rdct_checkasm_kernel(len(names)) is not NULL:
        names.append(rdct_checkasm_kernel(len(names)).decode())
    return names


cdef int index(str kernel) except -1:
    names = kernels()
    if kernel not in names:
        raise ValueError(f"kernel is {kernel!r}, but must be one of {', '.join(names)}")
    return names.index(kernel)


def cpus(str kernel):
    """list of str: instruction sets that have a version of their own of this kernel on this machine."""
    cdef int i = index(kernel)
    return [name for name, cpu in _CPUS.items() if rdct_checkasm_has(i, cpu)]


cdef int available(str kernel, str cpu) except -1:
    if cpu not in cpus(kernel):
        raise ValueError(f"cpu is {cpu!r}, but {kernel} has {', '.join(cpus(kernel))} here")
    return _CPUS[cpu]


def check(str kernel, str cpu, unsigned seed=0):
    """AssertionError unless the kernel equals the reference bit for bit and writes nothing else."""
    cdef int i = index(kernel), c = available(kernel, cpu), result
    cdef char message[256]
    with nogil:
        result = rdct_checkasm_check(i, c, seed, message, sizeof(message))
    if result < 0:
        raise MemoryError("no memory for the areas of a check")
    if result > 0:
        raise AssertionError((<bytes>message).decode())


def bench(str kernel, str cpu, int calls):
    """Run a kernel `calls` times on data in the first-level cache; int: samples worked on in all."""
    cdef int i = index(kernel), c = available(kernel, cpu)
    cdef size_t samples
    with nogil:
        samples = rdct_checkasm_bench(i, c, calls)
    return samples


def quantizer_differs():
    """int: the first step for which quantising differs from true division, for all coefficients; -1 if keeping
    them whole does; 0 = none.
    """
    cdef int step
    with nogil:
        step = rdct_checkasm_quantizer()
    return step


def rdo_misses(unsigned seed=0, int blocks=300):
    """int: the first random block (from 1) for which the search of enc/rdo.h does not find the least cost that
    trying everything finds, or weighing once finds more than rounding costs; 0 = none.
    """
    cdef int block
    with nogil:
        block = rdct_checkrdo(seed, blocks)
    return block
