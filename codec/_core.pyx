# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=True
# SPDX-License-Identifier: Apache-2.0
"""The boundary to the C core: borrowed memory in, one call without the GIL, a status turned into an exception.

Nothing here decides anything. Arguments are checked in codec/arguments.py and types.py, results dressed up in encoder.py and decoder.py;
arrays arrive here with the dtype and layout that csrc/include/rdct.h asks for, except where a function says that it checks.

This file holds the constants, `check` and `Context`; _core_borrowed.pxi lends memory to the C core, _core_functions.pxi holds what needs no context.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint8_t
from libc.string cimport memcpy, memset

cimport numpy as cnp

import numpy as np

from codec import errors

from codec cimport rdct

cnp.import_array()

MAX_LEVELS = rdct.RDCT_MAX_LEVELS
MAX_BANDS = rdct.RDCT_MAX_BANDS
MAX_REGION_BLOCKS = rdct.RDCT_MAX_REGION_BLOCKS
MAX_SIDE = rdct.RDCT_MAX_SIDE
MAX_EFFORT = rdct.RDCT_MAX_EFFORT
MAX_STEP = rdct.RDCT_MAX_STEP
SCALE_ONE = rdct.RDCT_SCALE_ONE
SKIP = rdct.RDCT_SKIP

SUBSAMPLINGS = {"444": rdct.RDCT_444, "422": rdct.RDCT_422, "420": rdct.RDCT_420, "grey": rdct.RDCT_GREY}
FORMATS = {"rdct": rdct.RDCT_FORMAT_RDCT, "jpeg": rdct.RDCT_FORMAT_JPEG}
ENTROPIES = {"huffman": rdct.RDCT_HUFFMAN, "huffman-fixed": rdct.RDCT_HUFFMAN_FIXED, "context": rdct.RDCT_CONTEXT}
CPUS = {
    "auto": rdct.RDCT_CPU_AUTO,
    "c": rdct.RDCT_CPU_C,
    "ssse3": rdct.RDCT_CPU_SSSE3,
    "avx2": rdct.RDCT_CPU_AVX2,
    "avx512": rdct.RDCT_CPU_AVX512,
    "neon": rdct.RDCT_CPU_NEON,
}
SAMPLE_TYPES = {"uint8": rdct.RDCT_U8, "uint16": rdct.RDCT_U16, "float32": rdct.RDCT_F32}


cdef int check(int status, rdct.RdctError *err) except -1:
    """Turn a status into its exception: the only place where the C core's failures are raised."""
    if status == rdct.RDCT_OK:
        return 0
    raise errors.from_status(
        status,
        err.message.decode("utf-8", "replace"),
        rule=err.rule.decode("utf-8", "replace"),
        offset=err.offset,
        slice=err.slice,
        limit=err.limit,
        actual=err.actual,
    )


def version():
    """Version of the C core, "major.minor.patch"."""
    return rdct.rdct_version().decode()


include "_core_borrowed.pxi"
include "_core_functions.pxi"


@cython.final
cdef class Context:
    """One RdctContext: scratch memory and a thread pool, for one call at a time."""

    cdef rdct.RdctContext *handle
    cdef bint busy
    cdef readonly int threads

    def __cinit__(self, int threads, int cpu):
        cdef rdct.RdctError err
        cdef int status
        with nogil:
            status = rdct.rdct_context_create(threads, cpu, &self.handle, &err)
        check(status, &err)
        self.threads = threads

    def __dealloc__(self):
        rdct.rdct_context_destroy(self.handle)

    @property
    def cpu(self):
        """The instruction set in use."""
        return rdct.rdct_context_cpu(self.handle).decode()

    cdef int enter(self) except -1:
        # Read and set without giving up the GIL in between, so two threads cannot both pass.
        if self.busy:
            raise RuntimeError("this object is busy with a call from another thread; use one object per thread")
        self.busy = True
        return 0

    cdef take_output(self, size_t size, Buffer out):
        """The finished stream as bytes, or written into `out`: the number of bytes then."""
        cdef rdct.RdctError err
        cdef uint8_t *data
        cdef size_t capacity
        cdef int status
        if out is None:
            result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> size)
            data, capacity = <uint8_t *> PyBytes_AS_STRING(result), size
        else:
            result = size
            data, capacity = out.data(), out.size()
        with nogil:
            status = rdct.rdct_take_output(self.handle, data, capacity, &err)
        check(status, &err)
        return result

    def encode(self, image, PlanView plan not None, tuple options, out=None, bint want_stats=False):
        """-> (bytes, or the size if `out` is given; dict or None)."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctEncodeOptions c_options = encode_options(options)
        cdef rdct.RdctEncodeStats stats
        # Counting symbols for nobody costs a tenth of the fixed path.
        cdef rdct.RdctEncodeStats *wanted = &stats if want_stats else NULL
        cdef Buffer buffer = None if out is None else Buffer(out, "out", True)
        cdef size_t size = 0
        cdef int status
        borrow_image(image, &c_image)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode(self.handle, &c_image, &plan.c, &c_options, &size, wanted, &err)
            check(status, &err)
            result = self.take_output(size, buffer)
        finally:
            self.busy = False
        return result, stats_dict(&stats) if want_stats else None

    def encode_coefficients(
        self, tuple planes, int width, int height, PlanView plan not None, tuple options, out=None, bint want_stats=False
    ):
        """planes: i16 [by,bx,8,8] C-contiguous, of the shapes `geometry` gives. Returns as `encode`."""
        cdef rdct.RdctError err
        cdef rdct.RdctCoefficients coefficients
        cdef rdct.RdctEncodeOptions c_options = encode_options(options)
        cdef rdct.RdctEncodeStats stats
        # Counting symbols for nobody costs a tenth of the fixed path.
        cdef rdct.RdctEncodeStats *wanted = &stats if want_stats else NULL
        cdef Buffer buffer = None if out is None else Buffer(out, "out", True)
        cdef size_t size = 0
        cdef int status
        borrow_coefficients(planes, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode_coefficients(
                    self.handle, &coefficients, width, height, &plan.c, &c_options, &size, wanted, &err
                )
            check(status, &err)
            result = self.take_output(size, buffer)
        finally:
            self.busy = False
        return result, stats_dict(&stats) if want_stats else None

    def encode_planes(self, image, int subsampling):
        """-> tuple of i16 [h,w], (sample-128) x 8."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctPlanes planes
        cdef int status
        borrow_image(image, &c_image)
        result = tuple([np.empty(shape, np.int16) for shape in geometry(c_image.width, c_image.height, subsampling)[1]])
        borrow_planes(result, &planes)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode_planes(self.handle, &c_image, subsampling, &planes, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def quantize(self, image, PlanView plan not None, int subsampling, int effort):
        """-> tuple of i16 [by,bx,8,8]."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctCoefficients coefficients
        cdef int status
        borrow_image(image, &c_image)
        result = tuple([np.empty(shape, np.int16) for shape in geometry(c_image.width, c_image.height, subsampling)[0]])
        borrow_coefficients(result, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_quantize(self.handle, &c_image, &plan.c, subsampling, effort, &coefficients, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def region_bits(self, image, PlanView plan not None, int subsampling):
        """-> u32 [rows, cols], in 1/256 bits."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef int status
        borrow_image(image, &c_image)
        result = np.empty((plan.c.map_rows, plan.c.map_cols), np.uint32)
        cdef uint32_t *out = <uint32_t *> cnp.PyArray_DATA(result)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_region_bits(self.handle, &c_image, &plan.c, subsampling, out, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def decode(self, data, out, int sample_type, tuple roi, base, BaseView refine, tuple sets, int64_t max_pixels, Damage damage=None):
        """Fills out: [h,w] or [h,w,3] of the sample type, pixels contiguous in a row, h x w the roi or the picture.

        roi: (x0, y0, x1, y1), zeros for the whole picture. base: tuple of i16 planes x 16 or None. refine: or None. damage: concealed
        and put there, or None.
        """
        cdef rdct.RdctError err
        cdef DecodeInput given = DecodeInput(data, base, refine, sets, max_pixels, damage)
        cdef void *pixels = cnp.PyArray_DATA(out)
        # numpy lets the stride of a single row be anything.
        cdef ptrdiff_t stride = out.strides[0] if out.shape[0] > 1 else out.nbytes
        cdef int i, status
        given.options.sample_type = sample_type
        for i in range(4):
            given.options.roi[i] = roi[i]
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode(self.handle, given.data, given.size, &given.options, pixels, stride, &err)
            check(status, &err)
        finally:
            self.busy = False

    def decode_planes(self, data, int width, int height, int subsampling, base, BaseView refine, tuple sets, int64_t max_pixels,
                      Damage damage=None):
        """-> tuple of i16 [h,w], (sample-128) x 16. Size and subsampling as `read_header` says."""
        cdef rdct.RdctError err
        cdef DecodeInput given = DecodeInput(data, base, refine, sets, max_pixels, damage)
        cdef rdct.RdctPlanes planes
        cdef int status
        result = tuple([np.empty(shape, np.int16) for shape in geometry(width, height, subsampling)[1]])
        borrow_planes(result, &planes)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode_planes(self.handle, given.data, given.size, &given.options, &planes, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def decode_coefficients(self, data, int width, int height, int subsampling, BaseView refine, tuple sets, int64_t max_pixels):
        """-> tuple of i16 [by,bx,8,8]. Size and subsampling as `read_header` says."""
        cdef rdct.RdctError err
        cdef DecodeInput given = DecodeInput(data, None, refine, sets, max_pixels, None)
        cdef rdct.RdctCoefficients coefficients
        cdef int status
        result = tuple([np.empty(shape, np.int16) for shape in geometry(width, height, subsampling)[0]])
        borrow_coefficients(result, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode_coefficients(self.handle, given.data, given.size, &given.options, &coefficients, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result
