/* SPDX-License-Identifier: Apache-2.0
 * Kernels against the scalar reference, and their speed. For tests and benchmarks only. */
#ifndef RDCT_TESTS_CHECKASM_H
#define RDCT_TESTS_CHECKASM_H

#include <stddef.h>

/* Name of the i-th kernel, a field of RdctDsp; NULL past the last. */
const char *rdct_checkasm_kernel(int i);
/* Whether this instruction set (RdctCpu) is here and has a version of its own. */
int rdct_checkasm_has(int kernel, int cpu);
/* 0 if equal to the reference in every case; else 1 with the case described in message. -1: no memory, or no such version. */
int rdct_checkasm_check(int kernel, int cpu, unsigned seed, char *message, size_t size);
/* Runs it `calls` times on data in the first-level cache; returns the samples of all calls, 0 if there is no such version. */
size_t rdct_checkasm_bench(int kernel, int cpu, int calls);
/* The quantiser against true division, for all steps and magnitudes: 0, or the first step that differs. */
int rdct_checkasm_quantizer(void);

#endif
