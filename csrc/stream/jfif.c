/* SPDX-License-Identifier: Apache-2.0
 * Reading a JPEG file up to its first scan. Unsupported kinds are named; whatever is said about tables is checked before it is used. */
#include "stream/jfif.h"

#include <string.h>

#include "common/status.h"
#include "common/tables.h"
#include "stream/huffman.h"

enum {
    SOF0 = 0xC0,
    SOF1 = 0xC1,
    SOF2 = 0xC2,
    SOF3 = 0xC3,
    DHT = 0xC4,
    SOF9 = 0xC9,
    SOF10 = 0xCA,
    SOF11 = 0xCB,
    DAC = 0xCC,
    SOF15 = 0xCF,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    DQT = 0xDB,
    DRI = 0xDD,
    APP14 = 0xEE,
    TEM = 0x01
};

typedef struct Component {
    int id, h, v, table;
} Component;

typedef struct Reader {
    const uint8_t *data;
    size_t size, pos;
    size_t end; /* of the current segment */
    RdctParsedJpeg *parsed;
    RdctError *err;
    uint16_t tables[4][64]; /* natural order; defined if bit of have_tables */
    RdctJpegHuffman huffman[4][2];
    unsigned have_tables, have_huffman[2];
    int have_frame, component_count, adobe_transform; /* -1: no Adobe marker */
    int width, height;
    Component components[3];
} Reader;

static int truncated(const Reader *reader) {
    return rdct_fail_at(reader->err, RDCT_ERR_TRUNCATED, "truncated_header", (int64_t)reader->size, -1,
                        "the JPEG data end at byte %lld, before the scan", (long long)reader->size);
}

static int corrupt(const Reader *reader, const char *rule, const char *what) {
    return rdct_fail_at(reader->err, RDCT_ERR_CORRUPT, rule, (int64_t)reader->pos, -1, "the JPEG file is corrupt near byte %lld: %s",
                        (long long)reader->pos, what);
}

static int unsupported(const Reader *reader, const char *rule, const char *what) {
    return rdct_fail_at(reader->err, RDCT_ERR_UNSUPPORTED, rule, (int64_t)reader->pos, -1, "%s are not supported", what);
}

static size_t left(const Reader *reader) {
    return reader->end - reader->pos;
}

static int next_u8(Reader *reader) { /* the caller knows that a byte is left */
    return reader->data[reader->pos++];
}

static int next_u16(Reader *reader) {
    const int high = next_u8(reader);
    return high << 8 | next_u8(reader);
}

static int read_dqt(Reader *reader) {
    while (left(reader) > 0) {
        const int pq_tq = next_u8(reader), wide = pq_tq >> 4, index = pq_tq & 15;
        if (wide > 1 || index > 3)
            return corrupt(reader, "dqt", "a quantisation table has an impossible precision or number");
        if (left(reader) < (wide ? 128U : 64U))
            return corrupt(reader, "dqt", "a quantisation table does not fit its segment");
        for (int i = 0; i < 64; i++) {
            const int step = wide ? next_u16(reader) : next_u8(reader);
            if (step == 0)
                return corrupt(reader, "dqt", "a quantisation step is zero");
            if (step > RDCT_MAX_STEP)
                return unsupported(reader, "step", "JPEG files with a quantisation step above 4095");
            reader->tables[index][rdct_zigzag[i]] = (uint16_t)step;
        }
        reader->have_tables |= 1U << index;
    }
    return RDCT_OK;
}

static int read_dht(Reader *reader) {
    while (left(reader) > 0) {
        const int tc_th = next_u8(reader), is_ac = tc_th >> 4, index = tc_th & 15;
        RdctHuffmanDecoder decoder;
        size_t total = 0;
        if (is_ac > 1 || index > 3)
            return corrupt(reader, "dht", "a Huffman table has an impossible class or number");
        RdctJpegHuffman *table = &reader->huffman[index][is_ac];
        if (left(reader) < 16)
            return corrupt(reader, "dht", "a Huffman table does not fit its segment");
        for (int length = 1; length <= 16; length++) {
            table->counts[length] = (uint8_t)next_u8(reader);
            total += table->counts[length];
        }
        if (total > 256 || left(reader) < total)
            return corrupt(reader, "dht", "a Huffman table does not fit its segment");
        memset(table->symbols, 0, sizeof table->symbols);
        memcpy(table->symbols, reader->data + reader->pos, total);
        if (!rdct_huffman_decoder_init_counts(&decoder, table->counts, table->symbols))
            return corrupt(reader, "huffman_oversubscribed", "a Huffman table is over-subscribed or uses the code of all ones");
        reader->pos += total;
        reader->have_huffman[is_ac] |= 1U << index;
    }
    return RDCT_OK;
}

static int read_sof(Reader *reader) {
    if (reader->have_frame)
        return corrupt(reader, "sof", "there are two frame headers");
    if (left(reader) < 6)
        return corrupt(reader, "sof", "the frame header is too short");
    const int precision = next_u8(reader);
    reader->height = next_u16(reader);
    reader->width = next_u16(reader);
    reader->component_count = next_u8(reader);
    if (precision != 8)
        return precision == 12 ? unsupported(reader, "precision", "12-bit JPEG files")
                               : corrupt(reader, "sof", "the sample precision is impossible");
    if (reader->width == 0)
        return corrupt(reader, "sof", "the width is zero");
    if (reader->height == 0)
        return unsupported(reader, "dnl", "JPEG files with a height that follows the scan (DNL)");
    if (reader->component_count == 4)
        return unsupported(reader, "cmyk", "four-component (CMYK or YCCK) JPEG files");
    if (reader->component_count != 1 && reader->component_count != 3)
        return unsupported(reader, "components", "JPEG files of other than one or three components");
    if (left(reader) != 3 * (size_t)reader->component_count)
        return corrupt(reader, "sof", "the frame header has the wrong length");
    for (int i = 0; i < reader->component_count; i++) {
        Component *component = &reader->components[i];
        component->id = next_u8(reader);
        const int factors = next_u8(reader);
        component->h = factors >> 4;
        component->v = factors & 15;
        component->table = next_u8(reader);
        if (component->h < 1 || component->h > 4 || component->v < 1 || component->v > 4 || component->table > 3)
            return corrupt(reader, "sof", "a component has impossible sampling factors or an impossible table");
    }
    reader->have_frame = 1;
    return RDCT_OK;
}

/* Sampling factors to one of the four ways, or -1. With one component they mean nothing. Chroma of more than one block an MCU is refused:
 * its blocks come in another order than ours. */
static int subsampling_of(const Reader *reader) {
    const Component *c = reader->components;
    if (reader->component_count == 1)
        return RDCT_GREY;
    if (c[1].h != 1 || c[1].v != 1 || c[2].h != 1 || c[2].v != 1)
        return -1;
    if (c[0].v == 1)
        return c[0].h == 1 ? RDCT_444 : c[0].h == 2 ? RDCT_422 : -1;
    return c[0].h == 2 && c[0].v == 2 ? RDCT_420 : -1;
}

static int read_dri(Reader *reader) {
    if (left(reader) != 2)
        return corrupt(reader, "dri", "the restart interval has the wrong length");
    reader->parsed->restart_interval = next_u16(reader);
    return RDCT_OK;
}

static void read_adobe(Reader *reader) {
    if (left(reader) >= 12 && memcmp(reader->data + reader->pos, "Adobe", 5) == 0)
        reader->adobe_transform = reader->data[reader->pos + 11];
}

static int check_colour(const Reader *reader) {
    const Component *c = reader->components;
    if (reader->component_count == 3 &&
        (reader->adobe_transform == 0 || (reader->adobe_transform < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B')))
        return unsupported(reader, "rgb", "RGB (not YCbCr) JPEG files");
    return RDCT_OK;
}

/* The tables the scan names become the picture's. */
static int select_tables(Reader *reader, int component, int selectors) {
    const int table = reader->components[component].table, dc = selectors >> 4, ac = selectors & 15;
    if (!(reader->have_tables >> table & 1))
        return corrupt(reader, "dqt", "a quantisation table that is used was not defined");
    if (dc > 3 || ac > 3 || !(reader->have_huffman[0] >> dc & 1) || !(reader->have_huffman[1] >> ac & 1))
        return corrupt(reader, "dht", "a Huffman table that is used was not defined");
    memcpy(reader->parsed->tables[component], reader->tables[table], sizeof reader->tables[table]);
    reader->parsed->huffman[component][0] = reader->huffman[dc][0];
    reader->parsed->huffman[component][1] = reader->huffman[ac][1];
    return RDCT_OK;
}

static int read_sos(Reader *reader) {
    if (!reader->have_frame)
        return corrupt(reader, "sos", "the scan comes before the frame header");
    if (left(reader) < 1)
        return corrupt(reader, "sos", "the scan header is too short");
    const int count = next_u8(reader);
    if (count < 1 || count > 4 || left(reader) != 2 * (size_t)count + 3)
        return corrupt(reader, "sos", "the scan header has the wrong length");
    if (count != reader->component_count)
        return unsupported(reader, "non_interleaved", "non-interleaved (several scans) JPEG files");
    for (int i = 0; i < count; i++) {
        if (next_u8(reader) != reader->components[i].id)
            return corrupt(reader, "sos", "the scan's components are not those of the frame");
        const int selectors = next_u8(reader);
        const int status = select_tables(reader, i, selectors);
        if (status != RDCT_OK)
            return status;
    }
    const int start = next_u8(reader), end = next_u8(reader), approximation = next_u8(reader);
    if (start != 0 || end != 63 || approximation != 0)
        return corrupt(reader, "sos", "the scan's spectral parameters are not those of a sequential file");
    return RDCT_OK;
}

static int refuse_frame(const Reader *reader, int marker) {
    if (marker == SOF2)
        return unsupported(reader, "progressive", "progressive JPEG files");
    if (marker == SOF3 || marker == SOF11)
        return unsupported(reader, "lossless", "lossless JPEG files");
    if (marker == SOF9 || marker == SOF10 || marker == DAC)
        return unsupported(reader, "arithmetic", "arithmetic-coded JPEG files");
    return unsupported(reader, "hierarchical", "hierarchical JPEG files");
}

/* To the byte behind the next marker; *marker its code. */
static int next_marker(Reader *reader, int *marker) {
    if (reader->pos >= reader->size)
        return truncated(reader);
    if (reader->data[reader->pos] != 0xFF)
        return corrupt(reader, "marker", "a marker was expected");
    while (reader->pos < reader->size && reader->data[reader->pos] == 0xFF)
        reader->pos++;
    if (reader->pos >= reader->size)
        return truncated(reader);
    *marker = reader->data[reader->pos++];
    return RDCT_OK;
}

static int open_segment(Reader *reader) {
    if (reader->size - reader->pos < 2)
        return truncated(reader);
    const size_t length = (size_t)(reader->data[reader->pos] << 8 | reader->data[reader->pos + 1]);
    if (length < 2)
        return corrupt(reader, "marker", "a segment is shorter than its length field");
    if (length > reader->size - reader->pos)
        return truncated(reader);
    reader->end = reader->pos + length;
    reader->pos += 2;
    return RDCT_OK;
}

static int read_segment(Reader *reader, int marker) {
    RdctHeader *info = &reader->parsed->info;
    const int64_t bytes = (int64_t)(reader->end - reader->pos) + 4;
    int status = RDCT_OK;
    if (marker == DQT) {
        status = read_dqt(reader);
        info->table_bytes += bytes;
    } else if (marker == DHT) {
        status = read_dht(reader);
        info->huffman_bytes += bytes;
    } else if (marker == SOF0 || marker == SOF1) {
        status = read_sof(reader);
    } else if (marker == SOS) {
        status = read_sos(reader);
    } else if (marker == DRI) {
        status = read_dri(reader);
    } else if (marker == APP14) {
        read_adobe(reader);
    } else if (marker >= SOF2 && marker <= SOF15) {
        status = refuse_frame(reader, marker);
    } /* else APPn, COM and what else may be skipped */
    if (status == RDCT_OK)
        reader->pos = reader->end;
    return status;
}

static int read_markers(Reader *reader) {
    int marker = 0;
    while (marker != SOS) {
        RDCT_TRY(next_marker(reader, &marker));
        if (marker == EOI)
            return corrupt(reader, "marker", "the file ends without a scan");
        if (marker == 0 || marker == SOI || (marker >= RST0 && marker <= RST7))
            return corrupt(reader, "marker", "a marker stands where it cannot");
        if (marker == TEM)
            continue;
        RDCT_TRY(open_segment(reader));
        RDCT_TRY(read_segment(reader, marker));
    }
    return RDCT_OK;
}

static int fill_info(Reader *reader, int64_t max_pixels) {
    RdctParsedJpeg *parsed = reader->parsed;
    RdctHeader *info = &parsed->info;
    const int subsampling = subsampling_of(reader);
    RDCT_TRY(check_colour(reader));
    if (subsampling < 0)
        return unsupported(reader, "sampling", "JPEG files with chroma sampling other than 4:4:4, 4:2:2 and 4:2:0");
    RDCT_TRY(rdct_layout_init(&parsed->layout, reader->width, reader->height, subsampling, RDCT_MAX_REGION_BLOCKS,
                              (reader->height + 63) / 64, reader->err));
    const int64_t pixels = (int64_t)reader->width * reader->height;
    if (max_pixels > 0 && pixels > max_pixels)
        return rdct_fail_limit(reader->err, RDCT_ERR_LIMIT, "max_pixels", max_pixels, pixels,
                               "the picture has %lld pixels, the limit is %lld", (long long)pixels, (long long)max_pixels);
    for (int c = reader->component_count; c < 3; c++)
        memcpy(parsed->tables[c], parsed->tables[0], sizeof parsed->tables[0]);
    info->format = RDCT_FORMAT_JPEG;
    info->version = 1;
    info->width = reader->width;
    info->height = reader->height;
    info->subsampling = subsampling;
    info->entropy = RDCT_HUFFMAN;
    info->components = reader->component_count;
    info->levels = 1;
    info->region_blocks = RDCT_MAX_REGION_BLOCKS;
    info->scale = RDCT_SCALE_ONE;
    info->map_rows = parsed->layout.map_rows;
    info->map_cols = parsed->layout.map_cols;
    info->slice_rows = parsed->layout.slice_rows;
    info->slices = parsed->layout.slices;
    info->band = -1;
    info->header_bytes = (int64_t)reader->pos;
    info->slice_bytes = (int64_t)(reader->size - reader->pos);
    info->restart_interval = parsed->restart_interval;
    parsed->scan_offset = (int64_t)reader->pos;
    return RDCT_OK;
}

int rdct_jfif_parse(RdctParsedJpeg *parsed, const uint8_t *data, size_t size, int64_t max_pixels, RdctError *err) {
    Reader reader;
    memset(&reader, 0, sizeof reader);
    memset(parsed, 0, sizeof *parsed);
    reader.data = data;
    reader.size = size;
    reader.parsed = parsed;
    reader.err = err;
    reader.adobe_transform = -1;
    if (size < 2)
        return truncated(&reader);
    if (data[0] != 0xFF || data[1] != SOI)
        return corrupt(&reader, "magic", "it does not start with SOI");
    reader.pos = 2;
    RDCT_TRY(read_markers(&reader));
    return fill_info(&reader, max_pixels);
}
