/* SPDX-License-Identifier: Apache-2.0
 * Markers of a baseline JPEG file, written. */
#include "common/status.h"
#include "common/tables.h"
#include "stream/cursor.h"
#include "stream/jfif.h"

#include <string.h>

enum { SOI = 0xFFD8, APP0 = 0xFFE0, DQT = 0xFFDB, SOF0 = 0xFFC0, DHT = 0xFFC4, DRI = 0xFFDD, SOS = 0xFFDA };

/* Marker fields are big-endian, unlike ours. */
static void put_u16(RdctSink *sink, int value) {
    rdct_sink_u8(sink, value >> 8);
    rdct_sink_u8(sink, value & 255);
}

static void write_app0(RdctSink *sink) {
    static const uint8_t jfif[] = {'J', 'F', 'I', 'F', 0, 1, 2, 0, 0, 1, 0, 1, 0, 0}; /* 1.02, square pixels, no thumbnail */
    put_u16(sink, APP0);
    put_u16(sink, 2 + (int)sizeof jfif);
    rdct_sink_bytes(sink, jfif, sizeof jfif);
}

/* The first component with the same table lends its number. */
static int table_of(const uint16_t *tables, int component) {
    int t = 0;
    while (memcmp(tables + 64 * t, tables + 64 * component, 64 * sizeof *tables) != 0)
        t++;
    return t;
}

static void write_dqt(RdctSink *sink, const uint16_t *table, int number) {
    put_u16(sink, DQT);
    put_u16(sink, 2 + 1 + 64);
    rdct_sink_u8(sink, number);
    for (int k = 0; k < 64; k++)
        rdct_sink_u8(sink, table[rdct_zigzag[k]]);
}

static void write_sof0(RdctSink *sink, const RdctLayout *layout, const uint16_t *tables) {
    put_u16(sink, SOF0);
    put_u16(sink, 8 + 3 * layout->components);
    rdct_sink_u8(sink, 8);
    put_u16(sink, layout->height);
    put_u16(sink, layout->width);
    rdct_sink_u8(sink, layout->components);
    for (int c = 0; c < layout->components; c++) {
        rdct_sink_u8(sink, c + 1);
        rdct_sink_u8(sink, c == 0 ? layout->h_samp << 4 | layout->v_samp : 1 << 4 | 1);
        rdct_sink_u8(sink, table_of(tables, c));
    }
}

/* Symbols by length, then value: the canonical order of our codes. */
static void write_dht(RdctSink *sink, const uint8_t *lengths, int id) {
    uint8_t counts[17] = {0}, symbols[256];
    int total = 0;
    for (int length = 1; length <= 16; length++) {
        for (int symbol = 0; symbol < 256; symbol++) {
            if (lengths[symbol] == length) {
                counts[length]++;
                symbols[total++] = (uint8_t)symbol;
            }
        }
    }
    put_u16(sink, DHT);
    put_u16(sink, 2 + 1 + 16 + total);
    rdct_sink_u8(sink, id);
    rdct_sink_bytes(sink, counts + 1, 16);
    rdct_sink_bytes(sink, symbols, (size_t)total);
}

static void write_sos(RdctSink *sink, int components) {
    put_u16(sink, SOS);
    put_u16(sink, 6 + 2 * components);
    rdct_sink_u8(sink, components);
    for (int c = 0; c < components; c++) {
        rdct_sink_u8(sink, c + 1);
        rdct_sink_u8(sink, c == 0 ? 0x00 : 0x11);
    }
    rdct_sink_u8(sink, 0); /* the whole spectrum in one scan */
    rdct_sink_u8(sink, 63);
    rdct_sink_u8(sink, 0);
}

int rdct_jfif_write(const RdctLayout *layout, const uint16_t *tables, const RdctHuffmanLengths *huffman, int restart_interval, uint8_t *out,
                    size_t capacity, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RdctSink sink = {out, capacity, 0};
    put_u16(&sink, SOI);
    write_app0(&sink);
    const size_t tables_at = sink.size;
    for (int c = 0; c < layout->components; c++)
        if (table_of(tables, c) == c)
            write_dqt(&sink, tables + 64 * c, c);
    const size_t frame_at = sink.size;
    write_sof0(&sink, layout, tables);
    const size_t huffman_at = sink.size;
    for (int t = 0; t < (layout->components == 1 ? 2 : 4); t++)
        write_dht(&sink, huffman->lengths[t], (t % 2) << 4 | t / 2);
    const size_t scan_at = sink.size;
    if (restart_interval > 0) {
        put_u16(&sink, DRI);
        put_u16(&sink, 4);
        put_u16(&sink, restart_interval);
    }
    write_sos(&sink, layout->components);
    if (sink.size > capacity)
        return rdct_fail_limit(err, RDCT_ERR_BUFFER_SMALL, "capacity", (int64_t)capacity, (int64_t)sink.size,
                               "the buffer of %lld bytes is too small for the JPEG markers", (long long)capacity);
    *size = sink.size;
    if (stats != NULL) {
        stats->header_bytes = (int64_t)sink.size;
        stats->table_bytes = (int64_t)(frame_at - tables_at);
        stats->huffman_bytes = (int64_t)(scan_at - huffman_at);
        stats->map_bytes = 0;
        stats->index_bytes = 0;
    }
    return RDCT_OK;
}
