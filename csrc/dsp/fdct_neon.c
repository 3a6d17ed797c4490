/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_NEON

#include "dsp/vec_neon.h"

#include "dsp/fdct_inl.h"
#include "dsp/reference.h"
#include "dsp/variants.h"

VEC_TARGET void rdct_fdct_quantize_neon(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers,
                                        int16_t *qcoef, uint64_t *nonzero) {
    fdct_quantize_run(plane, stride, n, quantizers, qcoef, nonzero);
}

#endif
