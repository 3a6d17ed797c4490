# SPDX-License-Identifier: Apache-2.0
# Part of _core.pyx: calls that need no context: tables, geometry, headers and level maps.

# -------------------------------------------------------------------------------------------------- tables


def tables_ijg(int quality):
    """u16 [3,8,8], natural order."""
    cdef rdct.RdctError err
    tables = np.empty((3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef int status
    with nogil:
        status = rdct.rdct_tables_ijg(quality, out, &err)
    check(status, &err)
    return tables


def tables_from_log(log_base, log_offset):
    """log_base u8 [3,8,8], log_offset i8 [L], C-contiguous -> u16 [L,3,8,8]."""
    cdef rdct.RdctError err
    cdef int levels = log_offset.shape[0]
    tables = np.empty((levels, 3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef const uint8_t *base = <const uint8_t *> cnp.PyArray_DATA(log_base)
    cdef const int8_t *offset = <const int8_t *> cnp.PyArray_DATA(log_offset)
    cdef int status
    with nogil:
        status = rdct.rdct_tables_from_log(base, offset, levels, out, &err)
    check(status, &err)
    return tables


def table_set_parse(data):
    """Canonical bytes -> (tables, bands, log_base or None, log_offset or None)."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int32_t levels = 0, bands = 0, is_log = 0
    cdef uint16_t *tables_out
    cdef uint8_t *base_out = NULL
    cdef int8_t *offset_out = NULL
    cdef rdct.RdctHuffmanLengths *huffman_out
    cdef int status
    with nogil:
        status = rdct.rdct_table_set_parse(bytes_, size, &levels, &bands, &is_log, NULL, NULL, NULL, NULL, &err)
    check(status, &err)
    tables = np.empty((levels, 3, 8, 8), np.uint16)
    lengths = np.empty((bands, 4, 256), np.uint8)
    tables_out = <uint16_t *> cnp.PyArray_DATA(tables)
    huffman_out = <rdct.RdctHuffmanLengths *> cnp.PyArray_DATA(lengths)
    log_base = log_offset = None
    if is_log:
        log_base = np.empty((3, 8, 8), np.uint8)
        log_offset = np.empty(levels, np.int8)
        base_out = <uint8_t *> cnp.PyArray_DATA(log_base)
        offset_out = <int8_t *> cnp.PyArray_DATA(log_offset)
    with nogil:
        status = rdct.rdct_table_set_parse(bytes_, size, &levels, &bands, &is_log, tables_out, base_out, offset_out, huffman_out, &err)
    check(status, &err)
    return tables, lengths, log_base, log_offset


def huffman_lengths(counts):
    """counts i64 [256], C-contiguous -> u8 [256]."""
    cdef rdct.RdctError err
    lengths = np.empty(256, np.uint8)
    cdef uint8_t *out = <uint8_t *> cnp.PyArray_DATA(lengths)
    cdef const int64_t *data = <const int64_t *> cnp.PyArray_DATA(counts)
    cdef int status
    with nogil:
        status = rdct.rdct_huffman_lengths(data, out, &err)
    check(status, &err)
    return lengths


# ------------------------------------------------------------------------------------------------ geometry


def geometry(int width, int height, int subsampling):
    """-> (shapes of the coefficient planes [by,bx,8,8], shapes of the sample planes [h,w]), whole MCUs."""
    cdef rdct.RdctError err
    cdef rdct.RdctCoefficients coefficients
    cdef rdct.RdctPlanes planes
    cdef int i, status
    memset(&coefficients, 0, sizeof(coefficients))
    memset(&planes, 0, sizeof(planes))
    with nogil:
        status = rdct.rdct_geometry(width, height, subsampling, &coefficients, &planes, &err)
    check(status, &err)
    return (
        tuple([(coefficients.blocks_high[i], coefficients.blocks_wide[i], 8, 8) for i in range(coefficients.components)]),
        tuple([(planes.height[i], planes.width[i]) for i in range(planes.components)]),
    )


def encode_bound(int width, int height, int subsampling):
    """Most bytes a stream of such a picture can have."""
    cdef rdct.RdctError err
    cdef size_t bound = 0
    cdef int status
    with nogil:
        status = rdct.rdct_encode_bound(width, height, subsampling, &bound, &err)
    check(status, &err)
    return bound


def merge_levels(tuple planes, int width, int height, int subsampling, PlanView plan not None):
    """planes: i16 [by,bx,8,8] C-contiguous, rewritten -> u16 [3,8,8], the one table for all levels."""
    cdef rdct.RdctError err
    cdef rdct.RdctCoefficients coefficients
    tables = np.empty((3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef int status
    borrow_coefficients(planes, &coefficients)
    with nogil:
        status = rdct.rdct_merge_levels(&coefficients, width, height, subsampling, &plan.c, out, &err)
    check(status, &err)
    return tables


# -------------------------------------------------------------------------------------------------- header


def read_header(data):
    """All fixed-size fields, as a dict of integers and the id as bytes."""
    cdef rdct.RdctError err
    cdef rdct.RdctHeader c
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int status
    with nogil:
        status = rdct.rdct_read_header(bytes_, size, &c, &err)
    check(status, &err)
    return {
        "format": c.format,
        "version": c.version,
        "width": c.width,
        "height": c.height,
        "subsampling": c.subsampling,
        "entropy": c.entropy,
        "components": c.components,
        "levels": c.levels,
        "region_blocks": c.region_blocks,
        "scale": c.scale,
        "map_rows": c.map_rows,
        "map_cols": c.map_cols,
        "slice_rows": c.slice_rows,
        "slices": c.slices,
        "tables_by_id": c.tables_by_id,
        "band": c.band,
        "id": PyBytes_FromStringAndSize(<char *> c.id, sizeof(c.id)),
        "has_skip": c.has_skip,
        "refine": c.refine,
        "refine_hash": PyBytes_FromStringAndSize(<char *> c.refine_hash, sizeof(c.refine_hash)),
        "header_bytes": c.header_bytes,
        "table_bytes": c.table_bytes,
        "huffman_bytes": c.huffman_bytes,
        "map_bytes": c.map_bytes,
        "refine_bytes": c.refine_bytes,
        "index_bytes": c.index_bytes,
        "slice_bytes": c.slice_bytes,
        "restart_interval": c.restart_interval,
        "total_bytes": size,
    }


def read_header_arrays(data, tuple sets, int levels, int map_rows, int map_cols, bint want_tables):
    """-> (tables u16 [L,3,8,8] without scale, or None; level_map u8 [rows, cols]). Sizes as `read_header` says."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef TableSetArray known = TableSetArray(sets)
    cdef uint16_t *tables_out = NULL
    cdef uint8_t *map_out
    cdef int status
    tables = None
    if want_tables:
        tables = np.zeros((levels, 3, 8, 8), np.uint16)
        tables_out = <uint16_t *> cnp.PyArray_DATA(tables)
    level_map = np.empty((map_rows, map_cols), np.uint8)
    map_out = <uint8_t *> cnp.PyArray_DATA(level_map)
    with nogil:
        status = rdct.rdct_read_header_arrays(bytes_, size, known.sets, known.count, tables_out, map_out, &err)
    check(status, &err)
    return tables, level_map


def encode_level_map(level_map, int levels):
    """level_map u8 [rows, cols], C-contiguous -> bytes."""
    cdef rdct.RdctError err
    cdef int rows = level_map.shape[0], cols = level_map.shape[1], status
    cdef const uint8_t *data = <const uint8_t *> cnp.PyArray_DATA(level_map)
    cdef size_t size = rdct.rdct_level_map_bound(rows, cols, levels)
    cdef Buffer room = Buffer(bytearray(size), "out", True)
    cdef uint8_t *out = room.data()
    with nogil:
        status = rdct.rdct_encode_level_map(data, rows, cols, levels, out, &size, &err)
    check(status, &err)
    return PyBytes_FromStringAndSize(<char *> out, <Py_ssize_t> size)


def decode_level_map(data, int rows, int cols, int levels):
    """-> u8 [rows, cols]."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int status
    level_map = np.empty((rows, cols), np.uint8)
    cdef uint8_t *out = <uint8_t *> cnp.PyArray_DATA(level_map)
    with nogil:
        status = rdct.rdct_decode_level_map(bytes_, size, rows, cols, levels, out, &err)
    check(status, &err)
    return level_map
