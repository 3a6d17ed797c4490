/* SPDX-License-Identifier: Apache-2.0
 * Everything before slice 0 of an rdct stream, written and read (docs/bitstream.md, sections 1-6 and 8). */
#ifndef RDCT_STREAM_HEADER_H
#define RDCT_STREAM_HEADER_H

#include "common/layout.h"
#include "common/mem.h"
#include "rdct.h"

typedef struct RdctSliceEntry {
    int64_t offset; /* of the slice's first byte, from the start of the stream */
    int64_t size;
    uint32_t crc;
} RdctSliceEntry;

/* Parsed header. Pointers into `data` are never kept: arrays live in the scratch blocks. */
typedef struct RdctParsedHeader {
    RdctHeader info;
    RdctLayout layout;
    RdctHuffmanLengths huffman; /* the four tables to use, whatever their origin */
    uint16_t *tables;           /* [levels][3][64] before scale; in scratch */
    uint8_t *level_map;         /* in scratch */
    uint8_t *modes;             /* of a refinement stream, stream/refine.h; else NULL; in scratch */
    RdctSliceEntry *slices;     /* in scratch */
    RdctScratch scratch[4];
} RdctParsedHeader;

/* Parses and bounds everything, verifies the CRC, applies the limit, then allocates. max_pixels <= 0: no limit. sets: known sets; a
 * stream that names another fails with rule "missing_table_set", unless ALLOW_MISSING_SET: then tables = NULL and huffman is empty for
 * a band of the set. WITHOUT_MAP leaves level_map and modes NULL, which saves the allocations that the size of the data does not bound.
 * The slices themselves may be missing or cut (slices[i].offset + size > size): a reader of one slice needs no others.
 * rdct_parsed_header_free is needed after success only. */
enum { RDCT_HEADER_ALLOW_MISSING_SET = 1, RDCT_HEADER_WITHOUT_MAP = 2 };
int rdct_header_parse(RdctParsedHeader *parsed, const uint8_t *data, size_t size, const RdctTableSet *const *sets, int set_count, int flags,
                      int64_t max_pixels, RdctError *err);
void rdct_parsed_header_free(RdctParsedHeader *parsed);

/* What the writer needs besides the plan. slice_sizes and slice_crcs have layout->slices entries. band as in RdctEncodeStats. */
typedef struct RdctHeaderInput {
    const RdctLayout *layout;
    const RdctPlan *plan;
    const uint8_t *modes;       /* of a refinement stream, with */
    const uint8_t *refine_hash; /* the hash of its base; else NULL */
    int entropy, tables_by_id, band;
    const RdctHuffmanLengths *huffman; /* written when entropy is RDCT_HUFFMAN or band is 254 */
    const size_t *slice_sizes;
    const uint32_t *slice_crcs;
} RdctHeaderInput;

/* Appends the whole header at out; section sizes go into stats (may be NULL). RDCT_ERR_BUFFER_SMALL when capacity is too small:
 * rdct_header_bound is always enough. */
int rdct_header_write(const RdctHeaderInput *input, uint8_t *out, size_t capacity, size_t *size, RdctEncodeStats *stats, RdctError *err);
size_t rdct_header_bound(const RdctLayout *layout, int levels);

/* CRC-32C of a header, for reader and writer. */
uint32_t rdct_header_crc(const uint8_t *data, size_t size);

/* Is data an rdct stream / a JPEG file? (magic only) */
int rdct_is_rdct(const uint8_t *data, size_t size);
int rdct_is_jpeg(const uint8_t *data, size_t size);
/* The error for data that are neither: truncated if they may have been, else corrupt ("magic"). */
int rdct_unknown_format(const uint8_t *data, size_t size, RdctError *err);

#endif
