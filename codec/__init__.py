# SPDX-License-Identifier: Apache-2.0
"""Region-adaptive DCT image codec: numpy arrays in, bytes out.

>>> import numpy as np
>>> import codec
>>> image = np.full((360, 480, 3), 90, np.uint8)
>>> data = codec.encode(image, quality=80)
>>> codec.decode(data).shape
(360, 480, 3)

A `QuantPlan` - quantisation tables of several levels, and the level of each region - steers the encoder;
``entropy="context"`` trades time for bytes, ``refine=`` builds on a stream sent before, ``format="jpeg"``
writes for other decoders. A stream is decoded whole, in part, in spite of damage, or to coefficients, and
`transcode` goes to and from JPEG files without loss. See docs/api.md.

Bytes depend on picture, plan and options only: not on threads, processor or machine. All calls release the
GIL.
"""

from codec import errors, pillow
from codec.batch import decode_batch, encode_batch
from codec.damage import LostSlice
from codec.decoder import Decoder, decode, decode_coefficients, decode_planes, read_header
from codec.encoder import (
    Encoder,
    encode,
    encode_bound,
    encode_coefficients,
    encode_into,
    encode_planes,
    encode_with_stats,
    quantize,
    region_bits,
)
from codec.errors import (
    BitstreamError,
    BufferTooSmallError,
    CodecError,
    CorruptError,
    InternalError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from codec.level_map import decode_level_map, encode_level_map
from codec.results import Coefficients, EncodeStats, Header, Planes
from codec.tables import ZIGZAG, huffman_lengths, ijg_table
from codec.transcode import transcode
from codec.types import SKIP, QuantPlan, TableSet, map_shape

#: The one place where the version of the distribution is written; setup.py hands it to the C core.
__version__ = "0.1.0"

__all__ = [
    "SKIP",
    "ZIGZAG",
    "BitstreamError",
    "BufferTooSmallError",
    "CodecError",
    "Coefficients",
    "CorruptError",
    "Decoder",
    "EncodeStats",
    "Encoder",
    "Header",
    "InternalError",
    "LimitError",
    "LostSlice",
    "Planes",
    "QuantPlan",
    "TableSet",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
    "decode",
    "decode_batch",
    "decode_coefficients",
    "decode_level_map",
    "decode_planes",
    "encode",
    "encode_batch",
    "encode_bound",
    "encode_coefficients",
    "encode_into",
    "encode_level_map",
    "encode_planes",
    "encode_with_stats",
    "errors",
    "huffman_lengths",
    "ijg_table",
    "map_shape",
    "pillow",
    "quantize",
    "read_header",
    "region_bits",
    "transcode",
]
