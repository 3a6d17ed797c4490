/* SPDX-License-Identifier: Apache-2.0
 * The finished stream: its header, then the slices from wherever the workers left them; JPEG has markers between and behind them. */
#include "common/status.h"
#include "enc/encoder.h"
#include "stream/header.h"
#include "stream/jfif.h"

#include <string.h>

#define MAX_SLICE_BYTES INT32_MAX /* of the index */

static int write_header(RdctEncoder *encoder, const RdctHuffmanLengths *huffman, int band, uint8_t *out, size_t capacity, size_t *size,
                        RdctEncodeStats *stats, RdctError *err) {
    const RdctLayout *layout = &encoder->layout;
    if (rdct_encoder_is_jpeg(encoder)) {
        const int interval = layout->slices > 1 ? layout->slice_rows * layout->region_blocks / layout->v_samp * layout->mcu_wide : 0;
        const uint16_t *steps = encoder->base != NULL ? encoder->base : encoder->steps + 192 * encoder->plan->level_map[0];
        return rdct_jfif_write(layout, steps, huffman, interval, out, capacity, size, stats, err);
    }
    const RdctHeaderInput input = {
        .layout = layout,
        .plan = encoder->plan,
        .modes = encoder->options->refine != NULL ? encoder->refine.modes : NULL,
        .refine_hash = encoder->refine.hash,
        .entropy = encoder->options->entropy,
        .tables_by_id = encoder->options->tables_by_id,
        .band = band,
        .huffman = huffman,
        .slice_sizes = encoder->sizes,
        .slice_crcs = encoder->crcs,
    };
    return rdct_header_write(&input, out, capacity, size, stats, err);
}

int rdct_encoder_assemble(RdctEncoder *encoder, const RdctHuffmanLengths *huffman, int band, size_t *size, RdctEncodeStats *stats,
                          RdctError *err) {
    const RdctLayout *layout = &encoder->layout;
    size_t bound = 2, header = 0;
    for (int i = 0; i < layout->slices; i++) {
        if (!rdct_encoder_is_jpeg(encoder) && encoder->sizes[i] > MAX_SLICE_BYTES)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "slice_bytes", "slice %d has %lld bytes, above 2^31 - 1: slice_rows must be lower", i,
                             (long long)encoder->sizes[i]);
        bound += encoder->sizes[i] + 2;
    }
    bound += rdct_encoder_is_jpeg(encoder) ? RDCT_JFIF_BOUND : rdct_header_bound(layout, encoder->plan->set->levels);
    uint8_t *out = rdct_scratch_reserve(&encoder->ctx->output, bound, 1);
    if (out == NULL)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory for a stream of %lld bytes", (long long)bound);
    RDCT_TRY(write_header(encoder, huffman, band, out, bound, &header, stats, err));
    size_t used = header;
    for (int i = 0; i < layout->slices; i++) {
        const RdctEncodedSlice *slice = &encoder->slices[i];
        if (rdct_encoder_is_jpeg(encoder) && i > 0) {
            out[used++] = 0xFF;
            out[used++] = (uint8_t)(0xD0 + (i - 1) % 8); /* RSTn */
        }
        if (encoder->sizes[i] > 0)
            memcpy(out + used, (uint8_t *)encoder->ctx->per_worker[slice->worker].data + slice->offset, encoder->sizes[i]);
        used += encoder->sizes[i];
    }
    if (rdct_encoder_is_jpeg(encoder)) {
        out[used++] = 0xFF;
        out[used++] = 0xD9; /* EOI */
    }
    if (stats != NULL) {
        stats->total_bytes = (int64_t)used;
        stats->slice_bytes = (int64_t)(used - header);
    }
    *size = used;
    return RDCT_OK;
}
