/* SPDX-License-Identifier: Apache-2.0
 *
 * rdct - region-adaptive DCT codec: the whole public C interface.
 *
 * One context per thread of the caller. A context owns scratch memory and a thread pool and never changes a
 * result: bytes depend on image, plan and options only. All pointers are borrowed for the duration of the call
 * unless said otherwise. Every function returns RDCT_OK or a status and then fills *err (which may be NULL).
 */
#ifndef RDCT_H
#define RDCT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RDCT_MAX_LEVELS 64
#define RDCT_MAX_REGION_BLOCKS 8
#define RDCT_MAX_SIDE 65535
#define RDCT_MAX_STEP 4095
#define RDCT_MAX_BANDS 64
#define RDCT_SKIP 255
#define RDCT_ID_BYTES 8
#define RDCT_SCALE_ONE 256
#define RDCT_MAX_EFFORT 3

/* Pinned: these numbers are part of the interface. */
typedef enum RdctStatus {
    RDCT_OK = 0,
    RDCT_ERR_ARGUMENT = 10,     /* the caller broke a rule; err->message names argument, value and range */
    RDCT_ERR_BUFFER_SMALL = 20, /* err->limit = capacity, err->actual = bytes needed */
    RDCT_ERR_TRUNCATED = 30,    /* the stream ends too early; err->offset, err->slice */
    RDCT_ERR_CORRUPT = 31,      /* the stream breaks the rule err->rule at err->offset */
    RDCT_ERR_UNSUPPORTED = 40,  /* well-formed, but of a kind this version does not read or write */
    RDCT_ERR_LIMIT = 50,        /* err->limit, err->actual */
    RDCT_ERR_MEMORY = 60,
    RDCT_ERR_INTERNAL = 90
} RdctStatus;

typedef struct RdctError {
    int32_t status;
    int32_t slice;  /* -1 when not in a slice */
    int64_t offset; /* byte offset in the stream, -1 when unknown */
    int64_t limit;
    int64_t actual;
    char rule[48];     /* short stable name of the broken rule, e.g. "header_crc", "dc_range", "missing_table_set" */
    char message[208]; /* one English sentence */
} RdctError;

typedef enum RdctSubsampling { RDCT_444 = 0, RDCT_422 = 1, RDCT_420 = 2, RDCT_GREY = 3 } RdctSubsampling;
typedef enum RdctFormat { RDCT_FORMAT_RDCT = 0, RDCT_FORMAT_JPEG = 1 } RdctFormat;
typedef enum RdctEntropy { RDCT_HUFFMAN = 0, RDCT_HUFFMAN_FIXED = 1, RDCT_CONTEXT = 2 } RdctEntropy;
typedef enum RdctCpu { RDCT_CPU_AUTO = 0, RDCT_CPU_C, RDCT_CPU_SSSE3, RDCT_CPU_AVX2, RDCT_CPU_AVX512, RDCT_CPU_NEON } RdctCpu;

/* Huffman code lengths: [0] DC luma, [1] AC luma, [2] DC chroma, [3] AC chroma; 0 = symbol absent, else 1..16. */
typedef struct RdctHuffmanLengths {
    uint8_t lengths[4][256];
} RdctHuffmanLengths;

/* L quantisation tables per component and the fixed Huffman tables that suit them.
 * tables: u16 [levels][3][64], natural (row-major) order, steps 1..RDCT_MAX_STEP.
 * log_base / log_offset: NULL, or the logarithmic form (docs/bitstream.md, section 3) from which `tables` follow
 * exactly: u8 [3][64] in natural order and i8 [levels]. The writer then uses the compact form. */
typedef struct RdctTableSet {
    uint8_t id[RDCT_ID_BYTES];
    int32_t levels;
    const uint16_t *tables;
    const uint8_t *log_base;
    const int8_t *log_offset;
    int32_t bands;
    const RdctHuffmanLengths *huffman; /* [bands] */
} RdctTableSet;

/* All that steers the encoder. level_map: u8 [map_rows][map_cols], values < set->levels or RDCT_SKIP. */
typedef struct RdctPlan {
    const RdctTableSet *set;
    int32_t scale;         /* Q8.8, 1..65535 */
    int32_t region_blocks; /* 1..8 */
    const uint8_t *level_map;
    int32_t map_rows, map_cols;
} RdctPlan;

typedef struct RdctImage {
    const uint8_t *data;  /* u8, channels interleaved, pixels contiguous in a row */
    ptrdiff_t row_stride; /* bytes between rows; may be negative */
    int32_t width, height;
    int32_t channels; /* 1 grey or 3 RGB */
} RdctImage;

typedef struct RdctBase RdctBase;

typedef struct RdctEncodeOptions {
    int32_t subsampling;  /* RdctSubsampling; RDCT_GREY exactly when the image has one channel */
    int32_t format;       /* RdctFormat; JPEG: no SKIP; of one level: steps <= 255; of many: from an image only, not from qcoefs */
    int32_t entropy;      /* RdctEntropy */
    int32_t tables_by_id; /* 1: only the id of the table set enters the stream */
    int32_t slice_rows;   /* region rows a slice; 0 = from the picture size. JPEG: 0 = no restart markers */
    /* NULL, or write a refinement stream: a region is coded as the difference to this where that takes fewer bits, and where its bits
     * in both streams are at most refine_limit thousandths of those of coding it afresh (0 = no limit). */
    const RdctBase *refine;
    int32_t refine_limit;
    /* 0 plain rounding, 1 dead zones, 2 rate-distortion rounding, 3 trellis. From an image only, and without refine. In a JPEG of many
     * levels, whose regions come about by a search, it changes nothing. */
    int32_t effort;
} RdctEncodeOptions;

typedef struct RdctEncodeStats {
    int64_t total_bytes, header_bytes, table_bytes, huffman_bytes, map_bytes, index_bytes, slice_bytes;
    int64_t blocks, skipped_blocks, nonzero; /* coded 8x8 blocks, SKIP blocks, nonzero quantised coefficients */
    int64_t dc_symbols[2][12];               /* luma, chroma; by category */
    int64_t ac_symbols[2][256];              /* luma, chroma; by run * 16 + size */
    int32_t slices, band;                    /* band: the fixed Huffman band used, 254 = inline, 255 = Annex K, -1 = optimised */
    int64_t refine_bytes, refined_regions, fresh_regions; /* of a refinement stream, whose refined blocks count differences above */
} RdctEncodeStats;

/* Quantised coefficients: per component i16 [blocks_high][blocks_wide][64] in natural order. Planes cover whole MCUs. */
typedef struct RdctCoefficients {
    int32_t components;
    int32_t blocks_wide[3], blocks_high[3];
    int16_t *planes[3];
} RdctCoefficients;

/* What a refinement stream refines (docs/bitstream.md, section 10): the coefficients of a picture sent before, with their steps (scale
 * applied) u16 [levels][3][64] in natural order and level map u8 [map_rows][map_cols]. Only read. */
struct RdctBase {
    int32_t width, height, subsampling, region_blocks;
    int32_t levels, map_rows, map_cols;
    const uint16_t *steps;
    const uint8_t *level_map;
    RdctCoefficients coefficients; /* SKIP blocks are not looked at */
};

/* Samples: i16 planes covering whole MCUs, row after row without padding. */
typedef struct RdctPlanes {
    int32_t components;
    int32_t width[3], height[3]; /* multiples of 8 */
    int16_t *planes[3];
} RdctPlanes;

typedef struct RdctHeader {
    int32_t format, version, width, height, subsampling, entropy, components;
    int32_t levels, region_blocks, scale;
    int32_t map_rows, map_cols, slice_rows, slices;
    int32_t tables_by_id, band;
    uint8_t id[RDCT_ID_BYTES];
    int32_t has_skip;
    int64_t header_bytes, table_bytes, huffman_bytes, map_bytes, index_bytes, slice_bytes; /* header_bytes: all before slice 0 */
    int32_t restart_interval;                                                              /* JPEG: MCUs, 0 = none */
    int32_t refine;                                                                        /* 1: a refinement stream... */
    uint8_t refine_hash[RDCT_ID_BYTES];                                                    /* ...whose base has this hash */
    int64_t refine_bytes; /* of the hash and of the map of what is refined */
} RdctHeader;

typedef enum RdctSampleType { RDCT_U8 = 0, RDCT_U16 = 1, RDCT_F32 = 2 } RdctSampleType;

/* A slice that was not decoded: lines y0..y1-1 of the picture, and why. why.slice says which it is. */
typedef struct RdctLostSlice {
    int32_t y0, y1;
    RdctError why; /* RDCT_ERR_TRUNCATED or RDCT_ERR_CORRUPT */
} RdctLostSlice;

/* Room for what is lost. Filled in stream order; beyond the capacity slices are counted, but not stored. */
typedef struct RdctDamage {
    RdctLostSlice *lost; /* [capacity]; header.slices is always enough */
    int32_t capacity;
    int32_t count; /* out */
} RdctDamage;

typedef struct RdctDecodeOptions {
    int64_t max_pixels;              /* limit on width * height; <= 0 is refused */
    int32_t roi[4];                  /* x0, y0, x1, y1 half-open; all zero = the whole picture */
    int32_t sample_type;             /* RdctSampleType */
    const RdctPlanes *base;          /* NULL, or (sample-128) x 16 of the same geometry: fills SKIP blocks */
    const RdctTableSet *const *sets; /* known table sets for streams that name one by id */
    int32_t set_count;
    /* NULL: a damaged slice fails the call. Else it is decoded as if all of it were SKIP and reported here, and bytes behind the last
     * slice are not looked at; damage to the header fails the call all the same. Not for JPEG files, which have no slices. */
    RdctDamage *damage;
    const RdctBase *refine; /* of a refinement stream, which is refused without; SKIP blocks show it unless `base` is given */
} RdctDecodeOptions;

typedef struct RdctContext RdctContext;

/* Version as "major.minor.patch"; name of a status; the instruction set a context really uses ("c", "avx2", ...). */
const char *rdct_version(void);
const char *rdct_status_name(int status);
const char *rdct_context_cpu(const RdctContext *ctx);

/* threads 1..256. cpu: RDCT_CPU_AUTO obeys the environment variable RDCT_CPU (c, ssse3, avx2, avx512, neon);
 * asking for an instruction set this machine or build lacks is RDCT_ERR_ARGUMENT. *out is NULL on failure. */
int rdct_context_create(int threads, int cpu, RdctContext **out, RdctError *err);
void rdct_context_destroy(RdctContext *ctx); /* NULL is allowed */

/* Tables. IJG: T.81 Annex K scaled to quality 1..100 as libjpeg does: u16 [3][64] natural order.
 * Logarithmic form to u16 [levels][3][64]. Canonical bytes of a set (section 8): *size in = capacity (0 to ask), out = size. */
int rdct_tables_ijg(int quality, uint16_t *tables, RdctError *err);
int rdct_tables_from_log(const uint8_t *log_base, const int8_t *log_offset, int levels, uint16_t *tables, RdctError *err);
int rdct_table_set_bytes(const RdctTableSet *set, uint8_t *out, size_t *size, RdctError *err);
/* Parse canonical bytes. Call with tables = NULL to learn levels, bands and whether the logarithmic form is used (is_log), then with arrays
 * of that size: tables u16 [levels][3][64], log_base u8 [3][64], log_offset i8 [levels] (both only if is_log), huffman [bands]. */
int rdct_table_set_parse(const uint8_t *data, size_t size, int32_t *levels, int32_t *bands, int32_t *is_log, uint16_t *tables,
                         uint8_t *log_base, int8_t *log_offset, RdctHuffmanLengths *huffman, RdctError *err);
/* Optimal code lengths (<= 16, all-ones code unused) for 256 symbol counts: counts >= 0; symbols counted 0 get length 0. */
int rdct_huffman_lengths(const int64_t *counts, uint8_t *lengths, RdctError *err);

/* Geometry of coefficient and sample planes for a picture: fills everything but the plane pointers. */
int rdct_geometry(int width, int height, int subsampling, RdctCoefficients *coefficients, RdctPlanes *planes, RdctError *err);

/* Encode into memory the context owns; *size = bytes of the finished stream. stats may be NULL.
 * rdct_take_output copies the stream (RDCT_ERR_BUFFER_SMALL if capacity < *size); it stays until the next encode on ctx. */
int rdct_encode(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, size_t *size,
                RdctEncodeStats *stats, RdctError *err);
int rdct_encode_coefficients(RdctContext *ctx, const RdctCoefficients *coefficients, int width, int height, const RdctPlan *plan,
                             const RdctEncodeOptions *options, size_t *size, RdctEncodeStats *stats, RdctError *err);
/* Quantised coefficients of many levels under one table a component, as a JPEG file has it: rewritten in place, so that value * step,
 * clamped to -2048..2047, stays what it was. tables: u16 [3][64], steps 1..255 that divide those of every value (grey: three times the
 * same); with one level in use and steps up to 255 nothing changes. RDCT_ERR_UNSUPPORTED for SKIP regions and for a value that leaves
 * JPEG's range; coefficients are undefined then. */
int rdct_merge_levels(RdctCoefficients *coefficients, int width, int height, int subsampling, const RdctPlan *plan, uint16_t *tables,
                      RdctError *err);
int rdct_take_output(RdctContext *ctx, uint8_t *out, size_t capacity, RdctError *err);
/* Upper bound of any stream for a picture of this size (never computed from content). */
int rdct_encode_bound(int width, int height, int subsampling, size_t *bound, RdctError *err);
/* The encoder's first exits. Planes: (sample-128) x 8. Quantise: coefficients of the whole picture under the plan, as every stream of
 * this effort has them: 0..2, as effort 3 goes by what the coder of the stream has learnt. */
int rdct_encode_planes(RdctContext *ctx, const RdctImage *image, int subsampling, RdctPlanes *planes, RdctError *err);
int rdct_quantize(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, int effort, RdctCoefficients *out,
                  RdctError *err);

/* What each region would cost under the plan, context-modelled: u32 [map_rows][map_cols], in 1/256 bits. A block counts where its centre
 * lies; what the last bytes of slices, the header and the map cost is nobody's. */
int rdct_region_bits(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, uint32_t *bits, RdctError *err);

/* Parse and check everything before slice 0 (both formats). */
int rdct_read_header(const uint8_t *data, size_t size, RdctHeader *header, RdctError *err);
/* Variable-size parts of a header: tables u16 [levels][3][64] as used (scale NOT applied; by id: needs the set, else "missing_table_set"),
 * level_map u8 [map_rows][map_cols]. Either may be NULL. JPEG: levels = 1, the file's own tables, a map of zeros. */
int rdct_read_header_arrays(const uint8_t *data, size_t size, const RdctTableSet *const *sets, int set_count, uint16_t *tables,
                            uint8_t *level_map, RdctError *err);

/* A level map by itself (docs/bitstream.md, section 5, map = 1), as it travels from one end to the other.
 * rows, cols 1..8192; levels 1..RDCT_MAX_LEVELS; map u8 [rows][cols], values < levels or RDCT_SKIP.
 * Encoding: *size in = capacity, out = bytes of the coded map, which may be none; rdct_level_map_bound is always enough. */
size_t rdct_level_map_bound(int rows, int cols, int levels);
int rdct_encode_level_map(const uint8_t *map, int rows, int cols, int levels, uint8_t *out, size_t *size, RdctError *err);
int rdct_decode_level_map(const uint8_t *data, size_t size, int rows, int cols, int levels, uint8_t *map, RdctError *err);

/* out: roi (or picture) height rows of width * channels samples of the chosen type, row_stride bytes apart; channels = 1 for grey streams. */
int rdct_decode(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, void *out, ptrdiff_t row_stride,
                RdctError *err);
/* planes: allocated by the caller after rdct_read_header + rdct_geometry. (sample-128) x 16 / quantised coefficients; options->roi must be zero. */
int rdct_decode_planes(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, RdctPlanes *planes,
                       RdctError *err);
int rdct_decode_coefficients(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options,
                             RdctCoefficients *coefficients, RdctError *err);

#ifdef __cplusplus
}
#endif
#endif
