/* SPDX-License-Identifier: Apache-2.0
 * The ladder: the scalar reference fills every pointer, each instruction set the machine has overwrites what it does better. */
#include "dsp/dsp.h"

#include "dsp/cpu.h"
#include "dsp/reference.h"
#include "dsp/variants.h"
#include "rdct.h"

#if RDCT_HAVE_NEON && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static void init_reference(RdctDsp *dsp) {
    dsp->name = "c";
    dsp->rgb_to_ycc = rdct_rgb_to_ycc_c;
    dsp->grey_to_y = rdct_grey_to_y_c;
    dsp->downsample_h2 = rdct_downsample_h2_c;
    dsp->downsample_h2v2 = rdct_downsample_h2v2_c;
    dsp->fdct_quantize = rdct_fdct_quantize_c;
    dsp->dequant_idct = rdct_dequant_idct_c;
    dsp->upsample_v2 = rdct_upsample_v2_c;
    dsp->upsample_h2 = rdct_upsample_h2_c;
    dsp->ycc_to_rgb8 = rdct_ycc_to_rgb8_c;
    dsp->ycc_to_rgb16 = rdct_ycc_to_rgb16_c;
    dsp->ycc_to_rgbf = rdct_ycc_to_rgbf_c;
    dsp->y_to_grey8 = rdct_y_to_grey8_c;
    dsp->y_to_grey16 = rdct_y_to_grey16_c;
    dsp->y_to_greyf = rdct_y_to_greyf_c;
    dsp->crc32c = rdct_crc32c;
}

#if RDCT_HAVE_X86

static void init_ssse3(RdctDsp *dsp) {
    dsp->name = "ssse3";
    dsp->rgb_to_ycc = rdct_rgb_to_ycc_ssse3;
    dsp->grey_to_y = rdct_grey_to_y_ssse3;
    dsp->downsample_h2 = rdct_downsample_h2_ssse3;
    dsp->downsample_h2v2 = rdct_downsample_h2v2_ssse3;
    dsp->fdct_quantize = rdct_fdct_quantize_ssse3;
    dsp->dequant_idct = rdct_dequant_idct_ssse3;
    dsp->upsample_v2 = rdct_upsample_v2_ssse3;
    dsp->upsample_h2 = rdct_upsample_h2_ssse3;
    dsp->ycc_to_rgb8 = rdct_ycc_to_rgb8_ssse3;
    dsp->ycc_to_rgb16 = rdct_ycc_to_rgb16_ssse3;
    dsp->ycc_to_rgbf = rdct_ycc_to_rgbf_ssse3;
    dsp->y_to_grey8 = rdct_y_to_grey8_ssse3;
    dsp->y_to_grey16 = rdct_y_to_grey16_ssse3;
    dsp->y_to_greyf = rdct_y_to_greyf_ssse3;
}

static void init_avx2(RdctDsp *dsp) {
    dsp->name = "avx2";
    dsp->rgb_to_ycc = rdct_rgb_to_ycc_avx2;
    dsp->grey_to_y = rdct_grey_to_y_avx2;
    dsp->downsample_h2 = rdct_downsample_h2_avx2;
    dsp->downsample_h2v2 = rdct_downsample_h2v2_avx2;
    dsp->fdct_quantize = rdct_fdct_quantize_avx2;
    dsp->dequant_idct = rdct_dequant_idct_avx2;
    dsp->upsample_v2 = rdct_upsample_v2_avx2;
    dsp->upsample_h2 = rdct_upsample_h2_avx2;
    dsp->ycc_to_rgb8 = rdct_ycc_to_rgb8_avx2;
    dsp->ycc_to_rgb16 = rdct_ycc_to_rgb16_avx2;
    dsp->ycc_to_rgbf = rdct_ycc_to_rgbf_avx2;
    dsp->y_to_grey8 = rdct_y_to_grey8_avx2;
    dsp->y_to_grey16 = rdct_y_to_grey16_avx2;
    dsp->y_to_greyf = rdct_y_to_greyf_avx2;
    dsp->crc32c = rdct_crc32c_sse42; /* every machine with AVX2 has it */
}

static void init_avx512(RdctDsp *dsp) {
    dsp->name = "avx512";
    dsp->rgb_to_ycc = rdct_rgb_to_ycc_avx512;
    dsp->grey_to_y = rdct_grey_to_y_avx512;
    dsp->downsample_h2 = rdct_downsample_h2_avx512;
    dsp->downsample_h2v2 = rdct_downsample_h2v2_avx512;
    dsp->fdct_quantize = rdct_fdct_quantize_avx512;
    dsp->dequant_idct = rdct_dequant_idct_avx512;
    dsp->upsample_v2 = rdct_upsample_v2_avx512;
    dsp->upsample_h2 = rdct_upsample_h2_avx512;
    dsp->ycc_to_rgb8 = rdct_ycc_to_rgb8_avx512;
    dsp->ycc_to_rgb16 = rdct_ycc_to_rgb16_avx512;
    dsp->ycc_to_rgbf = rdct_ycc_to_rgbf_avx512;
    dsp->y_to_grey8 = rdct_y_to_grey8_avx512;
    dsp->y_to_grey16 = rdct_y_to_grey16_avx512;
    dsp->y_to_greyf = rdct_y_to_greyf_avx512;
}

/* Climbs until the rung asked for, or the highest one; returns the rung it stands on. */
static int climb(RdctDsp *dsp, int cpu) {
    const int top = cpu == RDCT_CPU_AUTO ? RDCT_CPU_AVX512 : cpu;
    if (top < RDCT_CPU_SSSE3 || !__builtin_cpu_supports("ssse3"))
        return RDCT_CPU_C;
    init_ssse3(dsp);
    if (top < RDCT_CPU_AVX2 || !__builtin_cpu_supports("avx2"))
        return RDCT_CPU_SSSE3;
    init_avx2(dsp);
    if (top < RDCT_CPU_AVX512 || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vbmi"))
        return RDCT_CPU_AVX2;
    init_avx512(dsp);
    return RDCT_CPU_AVX512;
}

#elif RDCT_HAVE_NEON

/* An extension of ARMv8.0, a part of all later ones. */
static int have_crc32(void) {
#if defined(__ARM_FEATURE_CRC32) || defined(__APPLE__)
    return 1;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return 0;
#endif
}

static void init_neon(RdctDsp *dsp) {
    dsp->name = "neon";
    dsp->rgb_to_ycc = rdct_rgb_to_ycc_neon;
    dsp->grey_to_y = rdct_grey_to_y_neon;
    dsp->downsample_h2 = rdct_downsample_h2_neon;
    dsp->downsample_h2v2 = rdct_downsample_h2v2_neon;
    dsp->fdct_quantize = rdct_fdct_quantize_neon;
    dsp->dequant_idct = rdct_dequant_idct_neon;
    dsp->upsample_v2 = rdct_upsample_v2_neon;
    dsp->upsample_h2 = rdct_upsample_h2_neon;
    dsp->ycc_to_rgb8 = rdct_ycc_to_rgb8_neon;
    dsp->ycc_to_rgb16 = rdct_ycc_to_rgb16_neon;
    dsp->ycc_to_rgbf = rdct_ycc_to_rgbf_neon;
    dsp->y_to_grey8 = rdct_y_to_grey8_neon;
    dsp->y_to_grey16 = rdct_y_to_grey16_neon;
    dsp->y_to_greyf = rdct_y_to_greyf_neon;
    if (have_crc32())
        dsp->crc32c = rdct_crc32c_arm;
}

static int climb(RdctDsp *dsp, int cpu) {
    if (cpu != RDCT_CPU_AUTO && cpu != RDCT_CPU_NEON)
        return RDCT_CPU_C;
    init_neon(dsp);
    return RDCT_CPU_NEON;
}

#else

static int climb(RdctDsp *dsp, int cpu) {
    (void)dsp;
    (void)cpu;
    return RDCT_CPU_C;
}

#endif

int rdct_dsp_init(RdctDsp *dsp, int cpu) {
    init_reference(dsp);
    return climb(dsp, cpu) == cpu || cpu == RDCT_CPU_AUTO ? 0 : -1;
}
