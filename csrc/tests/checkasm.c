/* SPDX-License-Identifier: Apache-2.0
 * Each kernel runs on the same input as the reference; outputs are compared with the bytes around them. Inputs end where the next page
 * is forbidden, so a look beyond them is a crash; their starts, and those of outputs, are aligned to nothing but their type. */
#define _GNU_SOURCE
#include "tests/checkasm.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/intops.h"
#include "dsp/dsp.h"
#include "rdct.h"

enum { INPUTS = 3, OUTPUTS = 3, MAX_BLOCKS = 24, MAX_ROW = 2048, GUARD = 128, AREA = 1 << 16, TABLES = 4 };

typedef enum Bias { UNIFORM, NEAR_LOW, NEAR_HIGH, EXTREMES, SPARSE, BIASES } Bias;

/* One call: what it reads and what it writes. */
typedef struct Case {
    int n;
    ptrdiff_t stride;
    size_t in_bytes[INPUTS], out_bytes[OUTPUTS]; /* 0 = not used */
    uint8_t *in[INPUTS], *out[OUTPUTS];
    uint64_t random;
    Bias bias;
    RdctQuantizer quantizer[TABLES];
    uint16_t steps[TABLES][64];
    const RdctQuantizer *quantizers[MAX_BLOCKS];
    const uint16_t *block_steps[MAX_BLOCKS];
    uint64_t nonzero[MAX_BLOCKS];
} Case;

typedef struct Kernel {
    const char *name;
    size_t field;           /* in RdctDsp */
    int low, high;          /* of 16-bit inputs; low = high: bytes */
    int blocks, bench;      /* whether n counts blocks; n of the benchmark */
    void (*shape)(Case *c); /* sizes from n */
    void (*fill)(Case *c);  /* more than inputs */
    void (*run)(const RdctDsp *dsp, Case *c);
} Kernel;

/* xorshift64*: the same numbers everywhere. */
static uint32_t next_random(Case *c) {
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return (uint32_t)((c->random * UINT64_C(2685821657736338717)) >> 32);
}

static int biased(Case *c, int low, int high) {
    const uint32_t r = next_random(c), span = (uint32_t)(high - low) + 1;
    const int near = (int)(r >> 8 & 3);
    switch (c->bias) {
    case NEAR_LOW:
        return near > high - low ? low : low + near;
    case NEAR_HIGH:
        return near > high - low ? high : high - near;
    case EXTREMES:
        return r & 1 ? low : high;
    case SPARSE:
        return r % 16 != 0 ? rdct_clamp(0, low, high) : low + (int)(next_random(c) % span);
    default:
        return low + (int)(r % span);
    }
}

static int16_t *in16(const Case *c, int i) {
    return (int16_t *)(void *)c->in[i];
}
static int16_t *out16(const Case *c, int i) {
    return (int16_t *)(void *)c->out[i];
}

static void make_tables(Case *c) {
    for (int t = 0; t < TABLES; t++) {
        for (int i = 0; i < 64; i++) {
            const uint32_t r = next_random(c);
            const int kinds[4] = {1 + (int)(r >> 8) % RDCT_MAX_STEP, 1 << (r >> 8) % 12, 1 + (int)(r >> 8) % 16,
                                  RDCT_MAX_STEP - (int)(r >> 8) % 2};
            c->steps[t][i] = (uint16_t)kinds[(t + (int)(r & 1)) % 4];
        }
        rdct_quantizer_init(&c->quantizer[t], c->steps[t]);
    }
    const int one = next_random(c) % 2 != 0; /* one table for the whole run, or any */
    for (int b = 0; b < c->n; b++) {
        const uint32_t t = one ? 0 : next_random(c) % TABLES;
        c->quantizers[b] = &c->quantizer[t];
        c->block_steps[b] = c->steps[t];
    }
}

static void shape_fdct(Case *c) {
    c->stride = 8 * c->n + 3;
    c->in_bytes[0] = 2 * (size_t)(7 * c->stride + 8 * c->n);
    c->out_bytes[0] = 128 * (size_t)c->n;
    c->out_bytes[1] = 8 * (size_t)c->n;
}
static void run_fdct(const RdctDsp *dsp, Case *c) {
    uint64_t nonzero[MAX_BLOCKS]; /* the output may be aligned to two bytes only */
    dsp->fdct_quantize(in16(c, 0), c->stride, c->n, c->quantizers, out16(c, 0), nonzero);
    memcpy(c->out[1], nonzero, 8 * (size_t)c->n);
}

static void shape_idct(Case *c) {
    c->stride = 8 * c->n + 3;
    c->in_bytes[0] = 128 * (size_t)c->n;
    c->out_bytes[0] = 2 * (size_t)(7 * c->stride + 8 * c->n);
}
/* Some blocks are a DC alone, some have low frequencies only; the mask is exact or says more than there is. */
static void fill_idct(Case *c) {
    make_tables(c);
    for (int b = 0; b < c->n; b++) {
        int16_t *qcoef = in16(c, 0) + 64 * b;
        const uint32_t kind = next_random(c) % 4;
        c->nonzero[b] = kind == 0 ? 1 : UINT64_MAX;
        for (int i = 0; i < 64; i++)
            if ((kind == 0 && i > 0) || (kind == 1 && (i / 8 > 3 || i % 8 > 3)))
                qcoef[i] = 0;
    }
}
static void run_idct(const RdctDsp *dsp, Case *c) {
    dsp->dequant_idct(in16(c, 0), c->block_steps, c->nonzero, c->n, out16(c, 0), c->stride);
}

static void shape_rgb_to_ycc(Case *c) {
    c->in_bytes[0] = 3 * (size_t)c->n;
    c->out_bytes[0] = c->out_bytes[1] = c->out_bytes[2] = 2 * (size_t)c->n;
}
static void run_rgb_to_ycc(const RdctDsp *dsp, Case *c) {
    dsp->rgb_to_ycc(c->in[0], c->n, out16(c, 0), out16(c, 1), out16(c, 2));
}
static void shape_grey_to_y(Case *c) {
    c->in_bytes[0] = (size_t)c->n;
    c->out_bytes[0] = 2 * (size_t)c->n;
}
static void run_grey_to_y(const RdctDsp *dsp, Case *c) {
    dsp->grey_to_y(c->in[0], c->n, out16(c, 0));
}
static void shape_down(Case *c) {
    c->in_bytes[0] = c->in_bytes[1] = 4 * (size_t)c->n;
    c->out_bytes[0] = 2 * (size_t)c->n;
}
static void run_downsample_h2(const RdctDsp *dsp, Case *c) {
    dsp->downsample_h2(in16(c, 0), c->n, out16(c, 0));
}
static void run_downsample_h2v2(const RdctDsp *dsp, Case *c) {
    dsp->downsample_h2v2(in16(c, 0), in16(c, 1), c->n, out16(c, 0));
}
static void shape_up(Case *c) {
    c->in_bytes[0] = c->in_bytes[1] = 2 * (size_t)c->n;
    c->out_bytes[0] = 4 * (size_t)c->n;
}
static void run_upsample_v2(const RdctDsp *dsp, Case *c) {
    dsp->upsample_v2(in16(c, 0), in16(c, 1), c->n, out16(c, 0));
}
static void run_upsample_h2(const RdctDsp *dsp, Case *c) {
    dsp->upsample_h2(in16(c, 0), c->n, out16(c, 0));
}
static void shape_planes(Case *c, size_t sample) {
    c->in_bytes[0] = c->in_bytes[1] = c->in_bytes[2] = 2 * (size_t)c->n;
    c->out_bytes[0] = 3 * sample * (size_t)c->n;
}
static void shape_rgb8(Case *c) {
    shape_planes(c, 1);
}
static void shape_rgb16(Case *c) {
    shape_planes(c, 2);
}
static void shape_rgbf(Case *c) {
    shape_planes(c, 4);
}
static void run_ycc_to_rgb8(const RdctDsp *dsp, Case *c) {
    dsp->ycc_to_rgb8(in16(c, 0), in16(c, 1), in16(c, 2), c->n, c->out[0]);
}
static void run_ycc_to_rgb16(const RdctDsp *dsp, Case *c) {
    dsp->ycc_to_rgb16(in16(c, 0), in16(c, 1), in16(c, 2), c->n, (uint16_t *)(void *)c->out[0]);
}
static void run_ycc_to_rgbf(const RdctDsp *dsp, Case *c) {
    dsp->ycc_to_rgbf(in16(c, 0), in16(c, 1), in16(c, 2), c->n, (float *)(void *)c->out[0]);
}
static void run_y_to_grey8(const RdctDsp *dsp, Case *c) {
    dsp->y_to_grey8(in16(c, 0), c->n, c->out[0]);
}
static void run_y_to_grey16(const RdctDsp *dsp, Case *c) {
    dsp->y_to_grey16(in16(c, 0), c->n, (uint16_t *)(void *)c->out[0]);
}
static void run_y_to_greyf(const RdctDsp *dsp, Case *c) {
    dsp->y_to_greyf(in16(c, 0), c->n, (float *)(void *)c->out[0]);
}
static void shape_crc(Case *c) {
    c->in_bytes[0] = (size_t)c->n;
    c->out_bytes[0] = 4;
}
static void run_crc(const RdctDsp *dsp, Case *c) {
    const uint32_t crc = dsp->crc32c(c->in[0], (size_t)c->n);
    memcpy(c->out[0], &crc, sizeof crc);
}

#define FIELD(name) #name, offsetof(RdctDsp, name)
static const Kernel kernels[] = {
    {FIELD(rgb_to_ycc), 0, 0, 0, 2048, shape_rgb_to_ycc, NULL, run_rgb_to_ycc},
    {FIELD(grey_to_y), 0, 0, 0, 2048, shape_grey_to_y, NULL, run_grey_to_y},
    {FIELD(downsample_h2), -1024, 1020, 0, 1024, shape_down, NULL, run_downsample_h2},
    {FIELD(downsample_h2v2), -1024, 1020, 0, 1024, shape_down, NULL, run_downsample_h2v2},
    {FIELD(fdct_quantize), INT16_MIN, INT16_MAX, 1, 16, shape_fdct, make_tables, run_fdct},
    {FIELD(dequant_idct), -2048, 2047, 1, 16, shape_idct, fill_idct, run_idct},
    {FIELD(upsample_v2), INT16_MIN, INT16_MAX, 0, 1024, shape_up, NULL, run_upsample_v2},
    {FIELD(upsample_h2), INT16_MIN, INT16_MAX, 0, 1024, shape_up, NULL, run_upsample_h2},
    {FIELD(ycc_to_rgb8), INT16_MIN, INT16_MAX, 0, 2048, shape_rgb8, NULL, run_ycc_to_rgb8},
    {FIELD(ycc_to_rgb16), INT16_MIN, INT16_MAX, 0, 2048, shape_rgb16, NULL, run_ycc_to_rgb16},
    {FIELD(ycc_to_rgbf), INT16_MIN, INT16_MAX, 0, 2048, shape_rgbf, NULL, run_ycc_to_rgbf},
    {FIELD(y_to_grey8), INT16_MIN, INT16_MAX, 0, 2048, shape_rgb8, NULL, run_y_to_grey8},
    {FIELD(y_to_grey16), INT16_MIN, INT16_MAX, 0, 2048, shape_rgb16, NULL, run_y_to_grey16},
    {FIELD(y_to_greyf), INT16_MIN, INT16_MAX, 0, 2048, shape_rgbf, NULL, run_y_to_greyf},
    {FIELD(crc32c), 0, 0, 0, 2048, shape_crc, NULL, run_crc},
};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

const char *rdct_checkasm_kernel(int i) {
    return i >= 0 && i < KERNELS ? kernels[i].name : NULL;
}

static int same_pointer(const RdctDsp *a, const RdctDsp *b, size_t field) {
    return memcmp((const char *)a + field, (const char *)b + field, sizeof a->rgb_to_ycc) == 0;
}

int rdct_checkasm_has(int kernel, int cpu) {
    static const int below[] = {-1, -1, RDCT_CPU_C, RDCT_CPU_SSSE3, RDCT_CPU_AVX2, RDCT_CPU_C}; /* by RdctCpu */
    RdctDsp dsp, lower;
    if (kernel < 0 || kernel >= KERNELS || cpu < RDCT_CPU_C || cpu > RDCT_CPU_NEON || rdct_dsp_init(&dsp, cpu) != 0)
        return 0;
    return cpu == RDCT_CPU_C || (rdct_dsp_init(&lower, below[cpu]) == 0 && !same_pointer(&dsp, &lower, kernels[kernel].field));
}

/* Memory of a check: inputs that end at a forbidden page, outputs of the candidate and of the reference between guards. */
typedef struct Areas {
    uint8_t *in[INPUTS], *out[2][OUTPUTS];
} Areas;

static uint8_t *area(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, AREA + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || mprotect(memory + AREA, page, PROT_NONE) != 0 ? NULL : memory;
}

static int open_areas(Areas *areas) {
    int failed = 0;
    for (int i = 0; i < INPUTS; i++)
        failed |= (areas->in[i] = area()) == NULL;
    for (int i = 0; i < OUTPUTS; i++)
        failed |= (areas->out[0][i] = area()) == NULL || (areas->out[1][i] = area()) == NULL;
    return failed ? -1 : 0;
}

static void close_areas(const Areas *areas) {
    const size_t size = AREA + (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < INPUTS; i++)
        if (areas->in[i] != NULL)
            munmap(areas->in[i], size);
    for (int i = 0; i < 2 * OUTPUTS; i++)
        if (areas->out[i % 2][i / 2] != NULL)
            munmap(areas->out[i % 2][i / 2], size);
}

static void make_case(const Kernel *kernel, const Areas *areas, int n, Bias bias, Case *c) {
    memset(c->in_bytes, 0, sizeof c->in_bytes);
    memset(c->out_bytes, 0, sizeof c->out_bytes);
    c->n = n;
    c->bias = bias;
    kernel->shape(c);
    for (int i = 0; i < INPUTS; i++) {
        c->in[i] = areas->in[i] + AREA - c->in_bytes[i];
        if (kernel->low == kernel->high)
            for (size_t k = 0; k < c->in_bytes[i]; k++)
                c->in[i][k] = (uint8_t)biased(c, 0, 255);
        else
            for (size_t k = 0; k < c->in_bytes[i] / 2; k++)
                in16(c, i)[k] = (int16_t)biased(c, kernel->low, kernel->high);
    }
    if (kernel->fill != NULL)
        kernel->fill(c);
}

/* Outputs begin `shift` elements of four bytes behind a guard. */
static void run_case(const Kernel *kernel, const RdctDsp *dsp, uint8_t *const out[OUTPUTS], int shift, Case *c) {
    for (int i = 0; i < OUTPUTS; i++) {
        memset(out[i], 0xA5, c->out_bytes[i] + 2 * GUARD);
        c->out[i] = out[i] + GUARD + 4 * shift;
    }
    kernel->run(dsp, c);
}

static int check_case(const Kernel *kernel, const RdctDsp *dsp, const RdctDsp *reference, const Areas *areas, Case *c, char *message,
                      size_t size) {
    const int shift = (int)(next_random(c) % 16);
    run_case(kernel, reference, areas->out[0], shift, c);
    run_case(kernel, dsp, areas->out[1], shift, c);
    for (int i = 0; i < OUTPUTS; i++) {
        for (size_t k = 0; k < c->out_bytes[i] + 2 * GUARD; k++) {
            if (areas->out[0][i][k] != areas->out[1][i][k]) {
                const long long at = (long long)k - GUARD - 4 * shift;
                snprintf(message, size, "%s of %s, n = %d, bias %d: byte %lld of output %d (of %lld) is %d, but must be %d", kernel->name,
                         dsp->name, c->n, (int)c->bias, at, i, (long long)c->out_bytes[i], areas->out[1][i][k], areas->out[0][i][k]);
                return 1;
            }
        }
    }
    return 0;
}

/* Every length up to a few steps of the widest set, then some longer ones. */
static int length_of(const Kernel *kernel, int i, Case *c) {
    const int most = kernel->blocks ? MAX_BLOCKS : 200;
    return i <= most ? i : kernel->blocks ? 1 + (int)(next_random(c) % MAX_BLOCKS) : 200 + (int)(next_random(c) % (MAX_ROW - 200));
}

int rdct_checkasm_check(int kernel, int cpu, unsigned seed, char *message, size_t size) {
    static const int rounds = 260;
    RdctDsp dsp, reference;
    Areas areas;
    Case c;
    memset(&areas, 0, sizeof areas);
    memset(&c, 0, sizeof c);
    if (kernel < 0 || kernel >= KERNELS || rdct_dsp_init(&dsp, cpu) != 0 || rdct_dsp_init(&reference, RDCT_CPU_C) != 0)
        return -1;
    int result = open_areas(&areas);
    c.random = 0x9E3779B97F4A7C15u + seed;
    for (int i = 1; i <= rounds && result == 0; i++) {
        for (int bias = 0; bias < BIASES && result == 0; bias++) {
            make_case(&kernels[kernel], &areas, length_of(&kernels[kernel], i, &c), (Bias)bias, &c);
            result = check_case(&kernels[kernel], &dsp, &reference, &areas, &c, message, size);
        }
    }
    close_areas(&areas);
    return result;
}

size_t rdct_checkasm_bench(int kernel, int cpu, int calls) {
    /* Made once for a kernel, so that a benchmark that calls again and again times nothing but kernels. */
    static _Thread_local struct {
        int kernel; /* + 1 */
        Areas areas;
        Case c;
    } ready;
    RdctDsp dsp;
    if (kernel < 0 || kernel >= KERNELS || rdct_dsp_init(&dsp, cpu) != 0)
        return 0;
    if (ready.kernel != kernel + 1) {
        if (ready.kernel == 0 && open_areas(&ready.areas) != 0)
            return 0;
        ready.kernel = kernel + 1;
        ready.c.random = 1;
        make_case(&kernels[kernel], &ready.areas, kernels[kernel].bench, UNIFORM, &ready.c);
        run_case(&kernels[kernel], &dsp, ready.areas.out[0], 0, &ready.c);
    }
    for (int i = 0; i < calls; i++)
        kernels[kernel].run(&dsp, &ready.c);
    return (size_t)ready.c.n * (kernels[kernel].blocks ? 64 : 1) * (size_t)(calls > 0 ? calls : 0);
}

/* -1: the quantiser that should keep coefficients does not. */
int rdct_checkasm_quantizer(void) {
    RdctQuantizer keep;
    rdct_quantizer_init_keep(&keep);
    for (uint32_t c = 0; c <= INT16_MAX; c++)
        if (((((c + keep.half[0]) * keep.reciprocal[0]) >> 16) * keep.scale[0]) >> 16 != c)
            return -1;
    for (int step = 1; step <= RDCT_MAX_STEP; step++) {
        uint16_t steps[64];
        RdctQuantizer quantizer;
        for (int i = 0; i < 64; i++)
            steps[i] = (uint16_t)step;
        rdct_quantizer_init(&quantizer, steps);
        const uint32_t d = 8u * (uint32_t)step;
        for (uint32_t c = 0; c <= 32768; c++) { /* as rdct_quantize_c and every instruction set do it */
            const uint32_t q = (((c + quantizer.half[0]) * quantizer.reciprocal[0]) >> 16) * quantizer.scale[0] >> 16;
            if (q != (c + d / 2) / d)
                return step;
        }
    }
    return 0;
}
