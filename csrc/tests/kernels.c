/* SPDX-License-Identifier: Apache-2.0
 * Checks every kernel of one instruction set against the reference, without Python: `kernels neon`. For machines that are emulated;
 * elsewhere tests/simd does the same. */
#include <stdio.h>
#include <string.h>

#include "rdct.h"
#include "tests/checkasm.h"

enum { SEEDS = 2 };

static int cpu_named(const char *name) {
    static const char *const names[] = {"c", "ssse3", "avx2", "avx512", "neon"};
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return RDCT_CPU_C + i;
    return -1;
}

int main(int argc, char **argv) {
    const int cpu = argc == 2 ? cpu_named(argv[1]) : -1;
    if (cpu < 0) {
        fprintf(stderr, "usage: %s c|ssse3|avx2|avx512|neon\n", argv[0]);
        return 2;
    }
    int own = 0, wrong = 0;
    for (int i = 0; rdct_checkasm_kernel(i) != NULL; i++) {
        if (!rdct_checkasm_has(i, cpu)) {
            printf("%s: no version of its own\n", rdct_checkasm_kernel(i));
            continue;
        }
        own++;
        for (unsigned seed = 0; seed < SEEDS; seed++) {
            char message[256] = "no memory for the areas of a check";
            if (rdct_checkasm_check(i, cpu, seed, message, sizeof message) != 0) {
                printf("%s\n", message);
                wrong++;
            }
        }
    }
    printf("%s: %d kernels, %d wrong\n", argv[1], own, wrong);
    return own == 0 || wrong > 0;
}
