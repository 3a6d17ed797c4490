/* SPDX-License-Identifier: Apache-2.0
 * 8 x 8 transpose of the block in each lane: three rounds of interleaving. */
#ifndef VEC_FN
#error "include one of the vec_*.h"
#endif

VEC_FN void vec_transpose8(Vec v[8]) {
    const Vec a0 = vec_zip16_low(v[0], v[1]), a1 = vec_zip16_high(v[0], v[1]);
    const Vec a2 = vec_zip16_low(v[2], v[3]), a3 = vec_zip16_high(v[2], v[3]);
    const Vec a4 = vec_zip16_low(v[4], v[5]), a5 = vec_zip16_high(v[4], v[5]);
    const Vec a6 = vec_zip16_low(v[6], v[7]), a7 = vec_zip16_high(v[6], v[7]);
    const Vec b0 = vec_zip32_low(a0, a2), b1 = vec_zip32_high(a0, a2); /* columns 0 1 and 2 3 of rows 0..3 */
    const Vec b2 = vec_zip32_low(a1, a3), b3 = vec_zip32_high(a1, a3);
    const Vec b4 = vec_zip32_low(a4, a6), b5 = vec_zip32_high(a4, a6);
    const Vec b6 = vec_zip32_low(a5, a7), b7 = vec_zip32_high(a5, a7);
    v[0] = vec_zip64_low(b0, b4);
    v[1] = vec_zip64_high(b0, b4);
    v[2] = vec_zip64_low(b1, b5);
    v[3] = vec_zip64_high(b1, b5);
    v[4] = vec_zip64_low(b2, b6);
    v[5] = vec_zip64_high(b2, b6);
    v[6] = vec_zip64_low(b3, b7);
    v[7] = vec_zip64_high(b3, b7);
}
