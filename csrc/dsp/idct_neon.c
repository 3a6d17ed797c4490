/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_NEON

#include "dsp/vec_neon.h"

#include "dsp/idct_inl.h"
#include "dsp/reference.h"
#include "dsp/variants.h"

VEC_TARGET void rdct_dequant_idct_neon(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                                       ptrdiff_t stride) {
    dequant_idct_run(qcoef, steps, nonzero, n, plane, stride);
}

#endif
