# SPDX-License-Identifier: Apache-2.0
# csrc/include/rdct.h, declaration by declaration; contracts are written there.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint8_t


cdef extern from "rdct.h" nogil:
    enum:
        RDCT_MAX_LEVELS
        RDCT_MAX_REGION_BLOCKS
        RDCT_MAX_SIDE
        RDCT_MAX_EFFORT
        RDCT_MAX_STEP
        RDCT_MAX_BANDS
        RDCT_SKIP
        RDCT_ID_BYTES
        RDCT_SCALE_ONE

    enum:  # RdctStatus
        RDCT_OK
        RDCT_ERR_ARGUMENT
        RDCT_ERR_BUFFER_SMALL
        RDCT_ERR_TRUNCATED
        RDCT_ERR_CORRUPT
        RDCT_ERR_UNSUPPORTED
        RDCT_ERR_LIMIT
        RDCT_ERR_MEMORY
        RDCT_ERR_INTERNAL

    enum:  # RdctSubsampling, RdctFormat, RdctEntropy, RdctCpu, RdctSampleType
        RDCT_444
        RDCT_422
        RDCT_420
        RDCT_GREY
        RDCT_FORMAT_RDCT
        RDCT_FORMAT_JPEG
        RDCT_HUFFMAN
        RDCT_HUFFMAN_FIXED
        RDCT_CONTEXT
        RDCT_CPU_AUTO
        RDCT_CPU_C
        RDCT_CPU_SSSE3
        RDCT_CPU_AVX2
        RDCT_CPU_AVX512
        RDCT_CPU_NEON
        RDCT_U8
        RDCT_U16
        RDCT_F32

    ctypedef struct RdctError:
        int32_t status
        int32_t slice
        int64_t offset
        int64_t limit
        int64_t actual
        char rule[48]
        char message[208]

    ctypedef struct RdctHuffmanLengths:
        uint8_t lengths[4][256]

    ctypedef struct RdctTableSet:
        uint8_t id[8]
        int32_t levels
        const uint16_t *tables
        const uint8_t *log_base
        const int8_t *log_offset
        int32_t bands
        const RdctHuffmanLengths *huffman

    ctypedef struct RdctPlan:
        const RdctTableSet *set
        int32_t scale
        int32_t region_blocks
        const uint8_t *level_map
        int32_t map_rows
        int32_t map_cols

    ctypedef struct RdctImage:
        const uint8_t *data
        ptrdiff_t row_stride
        int32_t width
        int32_t height
        int32_t channels

    ctypedef struct RdctCoefficients:
        int32_t components
        int32_t blocks_wide[3]
        int32_t blocks_high[3]
        int16_t *planes[3]

    ctypedef struct RdctBase:
        int32_t width
        int32_t height
        int32_t subsampling
        int32_t region_blocks
        int32_t levels
        int32_t map_rows
        int32_t map_cols
        const uint16_t *steps
        const uint8_t *level_map
        RdctCoefficients coefficients

    ctypedef struct RdctEncodeOptions:
        int32_t subsampling
        int32_t format
        int32_t entropy
        int32_t tables_by_id
        int32_t slice_rows
        const RdctBase *refine
        int32_t refine_limit
        int32_t effort

    ctypedef struct RdctEncodeStats:
        int64_t total_bytes
        int64_t header_bytes
        int64_t table_bytes
        int64_t huffman_bytes
        int64_t map_bytes
        int64_t refine_bytes
        int64_t index_bytes
        int64_t slice_bytes
        int64_t blocks
        int64_t skipped_blocks
        int64_t nonzero
        int64_t refined_regions
        int64_t fresh_regions
        int64_t dc_symbols[2][12]
        int64_t ac_symbols[2][256]
        int32_t slices
        int32_t band

    ctypedef struct RdctPlanes:
        int32_t components
        int32_t width[3]
        int32_t height[3]
        int16_t *planes[3]

    ctypedef struct RdctHeader:
        int32_t format
        int32_t version
        int32_t width
        int32_t height
        int32_t subsampling
        int32_t entropy
        int32_t components
        int32_t levels
        int32_t region_blocks
        int32_t scale
        int32_t map_rows
        int32_t map_cols
        int32_t slice_rows
        int32_t slices
        int32_t tables_by_id
        int32_t band
        uint8_t id[8]
        int32_t has_skip
        int32_t refine
        uint8_t refine_hash[8]
        int64_t header_bytes
        int64_t table_bytes
        int64_t huffman_bytes
        int64_t map_bytes
        int64_t refine_bytes
        int64_t index_bytes
        int64_t slice_bytes
        int32_t restart_interval

    ctypedef struct RdctLostSlice:
        int32_t y0
        int32_t y1
        RdctError why

    ctypedef struct RdctDamage:
        RdctLostSlice *lost
        int32_t capacity
        int32_t count

    ctypedef struct RdctDecodeOptions:
        int64_t max_pixels
        int32_t roi[4]
        int32_t sample_type
        const RdctPlanes *base
        const RdctTableSet *const *sets
        int32_t set_count
        RdctDamage *damage
        const RdctBase *refine

    ctypedef struct RdctContext:
        pass

    const char *rdct_version()
    const char *rdct_context_cpu(const RdctContext *ctx)

    int rdct_context_create(int threads, int cpu, RdctContext **out, RdctError *err)
    void rdct_context_destroy(RdctContext *ctx)

    int rdct_tables_ijg(int quality, uint16_t *tables, RdctError *err)
    int rdct_tables_from_log(const uint8_t *log_base, const int8_t *log_offset, int levels, uint16_t *tables, RdctError *err)
    int rdct_table_set_bytes(const RdctTableSet *set, uint8_t *out, size_t *size, RdctError *err)
    int rdct_table_set_parse(const uint8_t *data, size_t size, int32_t *levels, int32_t *bands, int32_t *is_log, uint16_t *tables,
                             uint8_t *log_base, int8_t *log_offset, RdctHuffmanLengths *huffman, RdctError *err)
    int rdct_huffman_lengths(const int64_t *counts, uint8_t *lengths, RdctError *err)

    int rdct_geometry(int width, int height, int subsampling, RdctCoefficients *coefficients, RdctPlanes *planes, RdctError *err)

    int rdct_encode(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, size_t *size,
                    RdctEncodeStats *stats, RdctError *err)
    int rdct_encode_coefficients(RdctContext *ctx, const RdctCoefficients *coefficients, int width, int height, const RdctPlan *plan,
                                 const RdctEncodeOptions *options, size_t *size, RdctEncodeStats *stats, RdctError *err)
    int rdct_merge_levels(RdctCoefficients *coefficients, int width, int height, int subsampling, const RdctPlan *plan, uint16_t *tables,
                          RdctError *err)
    int rdct_take_output(RdctContext *ctx, uint8_t *out, size_t capacity, RdctError *err)
    int rdct_encode_bound(int width, int height, int subsampling, size_t *bound, RdctError *err)
    int rdct_encode_planes(RdctContext *ctx, const RdctImage *image, int subsampling, RdctPlanes *planes, RdctError *err)
    int rdct_quantize(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, int effort, RdctCoefficients *out,
                      RdctError *err)

    int rdct_region_bits(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, uint32_t *bits, RdctError *err)

    int rdct_read_header(const uint8_t *data, size_t size, RdctHeader *header, RdctError *err)
    int rdct_read_header_arrays(const uint8_t *data, size_t size, const RdctTableSet *const *sets, int set_count, uint16_t *tables,
                                uint8_t *level_map, RdctError *err)
    size_t rdct_level_map_bound(int rows, int cols, int levels)
    int rdct_encode_level_map(const uint8_t *map, int rows, int cols, int levels, uint8_t *out, size_t *size, RdctError *err)
    int rdct_decode_level_map(const uint8_t *data, size_t size, int rows, int cols, int levels, uint8_t *map, RdctError *err)
    int rdct_decode(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, void *out, ptrdiff_t row_stride,
                    RdctError *err)
    int rdct_decode_planes(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, RdctPlanes *planes,
                           RdctError *err)
    int rdct_decode_coefficients(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options,
                                 RdctCoefficients *coefficients, RdctError *err)
