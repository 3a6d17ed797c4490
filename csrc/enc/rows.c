/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/rows.h"

#include "enc/symbols.h"

#include <string.h>

static int min_int(int a, int b) {
    return a < b ? a : b;
}

static int plane_rows(const RdctLayout *layout, int component) {
    return component == 0 ? 8 * layout->v_samp : 8;
}

size_t rdct_row_blocks(const RdctLayout *layout, int component) {
    return (size_t)layout->blocks_wide[component] * (size_t)(plane_rows(layout, component) / 8);
}

/* One sample more than the width: an odd last column is paired with itself. */
static size_t full_samples(const RdctLayout *layout) {
    return layout->h_samp > 1 ? (size_t)layout->width + 1 : 0;
}

size_t rdct_strip_full_samples(const RdctLayout *layout) {
    return 4 * full_samples(layout);
}

static void set_strides(RdctStrip *strip, const RdctLayout *layout) {
    for (int c = 0; c < layout->components; c++)
        strip->stride[c] = 8 * (ptrdiff_t)layout->blocks_wide[c];
}

void rdct_strip_init_full(RdctStrip *strip, const RdctLayout *layout, int16_t *memory) {
    memset(strip, 0, sizeof *strip);
    set_strides(strip, layout);
    for (int i = 0; i < 4; i++)
        strip->full[i] = memory + (size_t)i * full_samples(layout);
}

/* Hands out pieces of one block of memory, each on cache lines of its own; without one it only measures. */
typedef struct Pieces {
    uint8_t *memory; /* or NULL */
    size_t used;
} Pieces;

static void *take(Pieces *pieces, size_t count, size_t size) {
    void *piece = pieces->memory == NULL ? NULL : pieces->memory + pieces->used;
    pieces->used += (count * size + 63) / 64 * 64;
    return piece;
}

static void lay_out_refine(RdctRowWork *work, const RdctLayout *layout, Pieces *pieces) {
    for (int c = 0; c < layout->components; c++) {
        const size_t blocks = (size_t)layout->blocks_wide[c] * (size_t)(plane_rows(layout, c) / 8);
        work->base.qcoef[c] = take(pieces, blocks, 64 * sizeof(int16_t));
        work->base.nonzero[c] = take(pieces, blocks, sizeof(uint64_t));
        work->base.level[c] = take(pieces, blocks, 1);
        work->modes.level[c] = take(pieces, blocks, 1);
        work->blocks.refined_dc[c] = take(pieces, blocks, sizeof(int16_t));
    }
}

static void lay_out(RdctRowWork *work, const RdctLayout *layout, int refine, Pieces *pieces) {
    set_strides(&work->strip, layout);
    for (int i = 0; i < 4; i++)
        work->strip.full[i] = take(pieces, full_samples(layout), sizeof(int16_t));
    for (int c = 0; c < layout->components; c++) {
        const size_t blocks = rdct_row_blocks(layout, c);
        work->strip.plane[c] = take(pieces, blocks, 64 * sizeof(int16_t));
        work->blocks.qcoef[c] = take(pieces, blocks, 64 * sizeof(int16_t));
        work->blocks.nonzero[c] = take(pieces, blocks, sizeof(uint64_t));
        work->blocks.level[c] = take(pieces, blocks, 1);
    }
    work->quantizers = take(pieces, (size_t)layout->blocks_wide[0], sizeof *work->quantizers);
    work->tokens = take(pieces, rdct_row_tokens_bound(layout), sizeof *work->tokens);
    if (refine)
        lay_out_refine(work, layout, pieces);
}

size_t rdct_row_work_bytes(const RdctLayout *layout, int refine) {
    RdctRowWork work;
    Pieces pieces = {NULL, 0};
    memset(&work, 0, sizeof work);
    lay_out(&work, layout, refine, &pieces);
    return pieces.used;
}

void rdct_row_work_init(RdctRowWork *work, const RdctLayout *layout, int refine, uint8_t *memory) {
    Pieces pieces = {memory, 0};
    memset(work, 0, sizeof *work);
    lay_out(work, layout, refine, &pieces);
}

static const uint8_t *image_row(const RdctImage *image, int y) {
    return image->data + image->row_stride * min_int(y, image->height - 1);
}

static int16_t *strip_row(const RdctStrip *strip, int component, int y) {
    return strip->plane[component] + strip->stride[component] * y;
}

/* Replicates the last true sample to the end of the row. */
static void pad_row(int16_t *row, int true_width, ptrdiff_t width) {
    const int16_t last = row[true_width - 1];
    for (ptrdiff_t x = true_width; x < width; x++)
        row[x] = last;
}

/* Replicates the last true row downwards; first is the row of the plane where the strip begins. */
static void pad_columns(const RdctLayout *layout, const RdctStrip *strip, int component, int first) {
    const int rows = plane_rows(layout, component), have = layout->true_height[component] - first;
    for (int y = have; y < rows; y++)
        memcpy(strip_row(strip, component, y), strip_row(strip, component, have - 1), (size_t)strip->stride[component] * sizeof(int16_t));
}

static void load_row_444(const RdctDsp *dsp, const RdctImage *image, int y, const RdctStrip *strip, int strip_y) {
    dsp->rgb_to_ycc(image_row(image, y), image->width, strip_row(strip, 0, strip_y), strip_row(strip, 1, strip_y),
                    strip_row(strip, 2, strip_y));
}

/* Chroma of one luma row (4:2:2) or of two (4:2:0; an odd last row is paired with itself). */
static void load_row_subsampled(const RdctDsp *dsp, const RdctLayout *layout, const RdctImage *image, int chroma_y, const RdctStrip *strip,
                                int strip_y) {
    const int v = layout->v_samp, n = layout->true_width[1];
    for (int i = 0; i < v; i++) {
        int16_t *cb = strip->full[2 * i], *cr = strip->full[2 * i + 1];
        const int y = min_int(chroma_y * v + i, image->height - 1);
        dsp->rgb_to_ycc(image_row(image, y), image->width, strip_row(strip, 0, strip_y * v + i), cb, cr);
        pad_row(cb, image->width, image->width + 1);
        pad_row(cr, image->width, image->width + 1);
    }
    for (int c = 1; c < 3; c++) {
        if (v == 1)
            dsp->downsample_h2(strip->full[c - 1], n, strip_row(strip, c, strip_y));
        else
            dsp->downsample_h2v2(strip->full[c - 1], strip->full[c + 1], n, strip_row(strip, c, strip_y));
    }
}

void rdct_rows_load(const RdctDsp *dsp, const RdctLayout *layout, const RdctImage *image, int mcu_row, const RdctStrip *strip) {
    /* Every MCU row is 8 rows of the last component: of chroma where it is subsampled, of all where it is not. */
    const int subsampled = layout->h_samp > 1, first = 8 * mcu_row;
    const int rows = min_int(8, layout->true_height[layout->components - 1] - first);
    for (int y = 0; y < rows; y++) {
        if (layout->components == 1)
            dsp->grey_to_y(image_row(image, first + y), image->width, strip_row(strip, 0, y));
        else if (subsampled)
            load_row_subsampled(dsp, layout, image, first + y, strip, y);
        else
            load_row_444(dsp, image, first + y, strip, y);
    }
    for (int c = 0; c < layout->components; c++) {
        const int plane_first = mcu_row * plane_rows(layout, c);
        const int have = min_int(plane_rows(layout, c), layout->true_height[c] - plane_first);
        for (int y = 0; y < have; y++)
            pad_row(strip_row(strip, c, y), layout->true_width[c], strip->stride[c]);
        pad_columns(layout, strip, c, plane_first);
    }
}

void rdct_rows_levels(const RdctLayout *layout, const uint8_t *level_map, int mcu_row, const RdctBlockRow *blocks) {
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1;
        if (c > 0 && layout->h_samp == 1) { /* 4:4:4: as luma */
            memcpy(blocks->level[c], blocks->level[0], (size_t)layout->blocks_wide[c]);
            continue;
        }
        for (int i = 0; i < v; i++)
            rdct_block_levels(layout, level_map, c, mcu_row * v + i, blocks->level[c] + i * layout->blocks_wide[c]);
    }
}

/* A row of blocks: runs between SKIP blocks. */
static void quantize_blocks(const RdctDsp *dsp, const int16_t *plane, ptrdiff_t stride, int blocks, const uint8_t *level,
                            const RdctQuantizer *const *quantizers, int16_t *qcoef, uint64_t *nonzero) {
    for (int x = 0; x < blocks;) {
        const int first = x;
        while (x < blocks && level[x] != RDCT_SKIP)
            x++;
        if (x > first)
            dsp->fdct_quantize(plane + 8 * first, stride, x - first, quantizers + first, qcoef + 64 * first, nonzero + first);
        while (x < blocks && level[x] == RDCT_SKIP)
            x++;
    }
}

void rdct_rows_quantize(const RdctDsp *dsp, const RdctLayout *layout, const RdctQuantizer *quantizers, const RdctRowWork *work) {
    const RdctBlockRow *row = &work->blocks;
    for (int c = 0; c < layout->components; c++) {
        const int blocks = layout->blocks_wide[c];
        for (int i = 0; i < plane_rows(layout, c) / 8; i++) {
            const int first = i * blocks;
            const uint8_t *level = row->level[c] + first;
            for (int x = 0; x < blocks; x++)
                work->quantizers[x] = level[x] == RDCT_SKIP ? NULL : &quantizers[3 * level[x] + c];
            quantize_blocks(dsp, strip_row(&work->strip, c, 8 * i), work->strip.stride[c], blocks, level, work->quantizers,
                            row->qcoef[c] + 64 * first, row->nonzero[c] + first);
        }
    }
}
