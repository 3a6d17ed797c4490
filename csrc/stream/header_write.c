/* SPDX-License-Identifier: Apache-2.0
 * Writing everything before slice 0. */
#include <string.h>

#include "common/status.h"
#include "stream/cursor.h"
#include "stream/header.h"
#include "stream/huffman.h"
#include "stream/level_map.h"
#include "stream/refine.h"
#include "stream/table_section.h"

enum { BAND_INLINE = 254, FIXED_BOUND = 64, HUFFMAN_BOUND = 8192, VARINT_BYTES = 5, TRAINED_LEVELS = 8 };

size_t rdct_header_bound(const RdctLayout *layout, int levels) {
    const size_t tables = (size_t)levels * 192 * 2, map = rdct_level_map_bound(layout->map_rows, layout->map_cols, levels);
    const size_t refined =
        2 * (size_t)layout->map_rows * (size_t)layout->map_cols; /* a decision a region costs at most 10 bits and a little */
    return FIXED_BOUND + tables + HUFFMAN_BOUND + map + refined + (size_t)layout->slices * (VARINT_BYTES + 4);
}

static int map_is_flat(const RdctPlan *plan) {
    const size_t n = (size_t)plan->map_rows * (size_t)plan->map_cols;
    return n == 1 || memcmp(plan->level_map, plan->level_map + 1, n - 1) == 0;
}

/* Bytes of the map in this coding; more than the capacity if they are too many for `room`. */
static size_t coded_size(const RdctPlan *plan, RdctMapCoding coding, uint8_t *room, size_t capacity) {
    RdctRangeEncoder range;
    rdct_range_encoder_init(&range, room, capacity);
    rdct_level_map_write(&range, coding, plan->level_map, plan->map_rows, plan->map_cols, plan->set->levels);
    const size_t size = rdct_range_encoder_finish(&range);
    return range.overflow ? capacity + 1 : size;
}

/* room: of the header to come, to try in. */
static RdctMapCoding choose_map_coding(const RdctHeaderInput *input, uint8_t *room, size_t capacity) {
    if (map_is_flat(input->plan))
        return RDCT_MAP_FLAT;
    if (input->entropy != RDCT_CONTEXT || input->plan->set->levels < TRAINED_LEVELS)
        return RDCT_MAP_PLAIN;
    const size_t plain = coded_size(input->plan, RDCT_MAP_PLAIN, room, capacity);
    return coded_size(input->plan, RDCT_MAP_TRAINED, room, capacity) < plain ? RDCT_MAP_TRAINED : RDCT_MAP_PLAIN;
}

/* Room for the coded bytes behind the longest varint; end_coded closes the gap. */
static void begin_coded(RdctSink *sink, RdctRangeEncoder *range) {
    const size_t start = sink->size + VARINT_BYTES;
    if (start <= sink->capacity)
        rdct_range_encoder_init(range, sink->out + start, sink->capacity - start);
    else
        rdct_range_encoder_init(range, NULL, 0);
}

static void end_coded(RdctSink *sink, RdctRangeEncoder *range) {
    const size_t size = rdct_range_encoder_finish(range);
    const uint8_t *coded = range->out;
    if (range->overflow) {
        sink->size = sink->capacity + 1;
        return;
    }
    rdct_sink_varint(sink, (uint32_t)size);
    if (size > 0 && sink->size + size <= sink->capacity)
        memmove(sink->out + sink->size, coded, size);
    sink->size += size;
}

static void write_dimensions(RdctSink *sink, const RdctHeaderInput *input, RdctMapCoding map) {
    const RdctLayout *layout = input->layout;
    rdct_sink_bytes(sink, (const uint8_t *)"RDCT", 4);
    rdct_sink_u8(sink, 1);
    rdct_sink_u8(sink, layout->subsampling | input->entropy << 2 | (input->tables_by_id ? 1 << 4 : 0) | (input->modes ? 1 << 5 : 0) |
                           (int)map << 6);
    rdct_sink_varint(sink, (uint32_t)layout->width);
    rdct_sink_varint(sink, (uint32_t)layout->height);
    rdct_sink_u16(sink, (uint32_t)input->plan->scale);
    rdct_sink_u8(sink, input->plan->set->levels);
    rdct_sink_u8(sink, layout->region_blocks);
    rdct_sink_varint(sink, (uint32_t)layout->slice_rows);
}

static int write_tables(RdctSink *sink, const RdctHeaderInput *input, RdctError *err) {
    const RdctTableSet *set = input->plan->set;
    int form, quality;
    if (input->tables_by_id) {
        rdct_sink_bytes(sink, set->id, RDCT_ID_BYTES);
        return RDCT_OK;
    }
    RDCT_TRY(rdct_table_section_form(set, input->layout->components, 1, &form, &quality, err));
    rdct_table_section_write(sink, set, input->layout->components, form, quality);
    return RDCT_OK;
}

static void write_huffman(RdctSink *sink, const RdctHeaderInput *input) {
    RdctRangeEncoder range;
    if (input->entropy == RDCT_HUFFMAN_FIXED)
        rdct_sink_u8(sink, input->band);
    if (input->entropy != RDCT_HUFFMAN && input->band != BAND_INLINE)
        return;
    begin_coded(sink, &range);
    rdct_huffman_write(&range, input->huffman, input->layout->components == 1 ? 2 : 4);
    end_coded(sink, &range);
}

static void write_map(RdctSink *sink, const RdctPlan *plan, RdctMapCoding coding) {
    RdctRangeEncoder range;
    if (coding == RDCT_MAP_FLAT) {
        rdct_sink_u8(sink, plan->level_map[0]);
        return;
    }
    begin_coded(sink, &range);
    rdct_level_map_write(&range, coding, plan->level_map, plan->map_rows, plan->map_cols, plan->set->levels);
    end_coded(sink, &range);
}

static void write_refine(RdctSink *sink, const RdctHeaderInput *input) {
    RdctRangeEncoder range;
    if (input->modes == NULL)
        return;
    rdct_sink_bytes(sink, input->refine_hash, RDCT_ID_BYTES);
    begin_coded(sink, &range);
    rdct_refine_map_write(&range, input->modes, input->layout->map_rows, input->layout->map_cols);
    end_coded(sink, &range);
}

int rdct_header_write(const RdctHeaderInput *input, uint8_t *out, size_t capacity, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RdctSink sink = {out, capacity, 0};
    const RdctMapCoding map = choose_map_coding(input, out, capacity);
    write_dimensions(&sink, input, map);
    const size_t tables_at = sink.size;
    RDCT_TRY(write_tables(&sink, input, err));
    const size_t huffman_at = sink.size;
    write_huffman(&sink, input);
    const size_t map_at = sink.size;
    write_map(&sink, input->plan, map);
    const size_t refine_at = sink.size;
    write_refine(&sink, input);
    const size_t index_at = sink.size;
    for (int i = 0; i < input->layout->slices; i++) {
        rdct_sink_varint(&sink, (uint32_t)input->slice_sizes[i]);
        rdct_sink_u32(&sink, input->slice_crcs[i]);
    }
    const size_t crc_at = sink.size;
    rdct_sink_u32(&sink, crc_at <= capacity ? rdct_header_crc(out, crc_at) : 0);
    if (sink.size > capacity)
        return rdct_fail_limit(err, RDCT_ERR_BUFFER_SMALL, "capacity", (int64_t)capacity,
                               (int64_t)rdct_header_bound(input->layout, input->plan->set->levels),
                               "the buffer of %lld bytes is too small for the header", (long long)capacity);
    *size = sink.size;
    if (stats) {
        stats->header_bytes = (int64_t)sink.size;
        stats->table_bytes = (int64_t)(huffman_at - tables_at);
        stats->huffman_bytes = (int64_t)(map_at - huffman_at);
        stats->map_bytes = (int64_t)(refine_at - map_at);
        stats->refine_bytes = (int64_t)(index_at - refine_at);
        stats->index_bytes = (int64_t)(crc_at - index_at);
    }
    return RDCT_OK;
}
