/* SPDX-License-Identifier: Apache-2.0
 * One slice: its bytes checked, its MCU rows walked, its rows delivered. Slices know nothing of each other. */
#ifndef RDCT_DEC_SLICE_H
#define RDCT_DEC_SLICE_H

#include "dec/decoder.h"

/* Bytes of private memory a worker needs. */
size_t rdct_slice_scratch_bytes(const RdctTask *task);
int rdct_decode_slice(const RdctTask *task, int slice, void *scratch, RdctError *err);
/* The same for a slice that cannot be decoded, as if all its regions were SKIP. */
void rdct_conceal_slice(const RdctTask *task, int slice, void *scratch);

#endif
