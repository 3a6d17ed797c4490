"""A predictor of region sensitivity that a device can run: integers in, integers out.

From what a picture's own coefficients say of a region (`grace.region_features`) it foretells the region's
error under the middle table, relative to the picture's mean, as a network's Fisher sensitivity would give
it: log2 of D / mean D (`stac.equal_error`). It is a perceptron of one hidden layer, or a plain linear rule,
with 16-bit weights:

    layer:  y = (W x + b + 2^(shift - 1)) >> shift      all but the last: clamped to 0..32767

W x is summed in double precision, which holds every sum exactly as long as it stays below 2^53; so the
order of summation does not matter and any machine gives the same levels. `grace.train_predictor` makes one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

__all__ = ["FEATURES", "MAX_BYTES", "Layer", "SensitivityPredictor"]

#: Numbers that `grace.region_features` gives for a region; said here, so that table sets load without it.
FEATURES = 59
_MAGIC = b"RDSP"
#: Also says which features it was made for: another list of them is another version.
_VERSION = 1
_HEAD = struct.Struct("<4sBBBB")  # magic, version, region_blocks, layers, 0
_LAYER = struct.Struct("<HHB")  # inputs, outputs, shift
_MAX_LAYERS, _MAX_WIDTH, _MAX_SHIFT = 4, 256, 30
#: A longer predictor is refused before it is looked at.
MAX_BYTES = 1 << 20
#: Predictions are clamped to this many octaves either way.
_MAX_OCTAVES = 16
_TOP = 32767


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: ``(weights @ x + bias + half) >> shift``.

    Attributes
    ----------
    weights : numpy.ndarray
        int16 ``[outputs, inputs]``.
    bias : numpy.ndarray
        int64 ``[outputs]``, within 2^45 either way.
    shift : int
        0..30.
    """

    weights: np.ndarray
    bias: np.ndarray
    shift: int

    def __post_init__(self) -> None:
        weights, bias = np.array(self.weights, np.int16), np.array(self.bias, np.int64)
        if weights.ndim != 2 or not all(1 <= side <= _MAX_WIDTH for side in weights.shape):
            raise ValueError(
                f"weights of a predictor's layer must be [1..{_MAX_WIDTH}, 1..{_MAX_WIDTH}], "
                f"got {list(weights.shape)}"
            )
        if bias.shape != weights.shape[:1] or np.abs(bias).max() > 1 << 45:
            raise ValueError(f"bias must be {list(weights.shape[:1])} integers within 2^45 either way")
        if not 0 <= self.shift <= _MAX_SHIFT:
            raise ValueError(f"shift of a predictor's layer must be 0..{_MAX_SHIFT}, got {self.shift}")
        for name, value in (("weights", weights), ("bias", bias)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """int64 ``[n, outputs]`` of integers ``[n, inputs]`` within -32768..32767."""
        # 256 products below 2^30 and a bias below 2^45: exact in double precision.
        total = x.astype(np.float64) @ self.weights.T.astype(np.float64)
        return (total.astype(np.int64) + self.bias + (1 << self.shift >> 1)) >> self.shift


@dataclass(frozen=True, eq=False)
class SensitivityPredictor:
    """What foretells the sensitivity of a picture's regions.

    Attributes
    ----------
    layers : tuple of Layer
        Their widths fit: `FEATURES` numbers in, one out, in 1/256 octave.
    region_blocks : int
        Side of the regions it was made for, in luma blocks, 1..8.
    provenance : dict
        Network, pictures, correlation on pictures held out. Not part of the bytes that travel.
    """

    layers: tuple[Layer, ...]
    region_blocks: int = 3
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        widths = [self.layers[0].weights.shape[1], *(layer.weights.shape[0] for layer in self.layers)]
        inputs = [layer.weights.shape[1] for layer in self.layers]
        if not 1 <= len(self.layers) <= _MAX_LAYERS or inputs != widths[:-1] or widths[-1] != 1:
            raise ValueError(
                f"a predictor has 1..{_MAX_LAYERS} layers that fit each other and gives one number, "
                f"got widths {inputs} to {widths[1:]}"
            )
        if not 1 <= self.region_blocks <= 8:
            raise ValueError(f"region_blocks of a predictor must be 1..8, got {self.region_blocks}")

    @property
    def inputs(self) -> int:
        """Numbers that it wants of a region."""
        return self.layers[0].weights.shape[1]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Foretell.

        Parameters
        ----------
        features : numpy.ndarray
            Integers ``[..., inputs]`` within -32768..32767, from `grace.region_features`.

        Returns
        -------
        numpy.ndarray
            int64 of the leading shape: 256 log2(D / mean D), within 16 octaves.
        """
        features = np.asarray(features)
        if features.shape[-1] != self.inputs:
            raise ValueError(f"features must be [..., {self.inputs}], got {list(features.shape)}")
        x = features.reshape(-1, self.inputs)
        for layer in self.layers[:-1]:
            x = np.clip(layer(x), 0, _TOP)
        limit = 256 * _MAX_OCTAVES
        return np.clip(self.layers[-1](x), -limit, limit).reshape(features.shape[:-1])

    def to_bytes(self) -> bytes:
        """As it stands in a table set's file and in a `Welcome`: little endian, a checksum at the end."""
        parts = [_HEAD.pack(_MAGIC, _VERSION, self.region_blocks, len(self.layers), 0)]
        for layer in self.layers:
            outputs, inputs = layer.weights.shape
            parts.append(_LAYER.pack(inputs, outputs, layer.shift))
            parts += [layer.weights.astype("<i2").tobytes(), layer.bias.astype("<i8").tobytes()]
        body = b"".join(parts)
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes, provenance: dict | None = None) -> SensitivityPredictor:
        """What `to_bytes` made these bytes of.

        Raises
        ------
        ValueError
            They are damaged, of another version, or no predictor at all; says which.
        """
        if not _HEAD.size + 4 <= len(data) <= MAX_BYTES or data[:4] != _MAGIC:
            raise ValueError(f"{len(data)} bytes are no predictor of sensitivity")
        _, version, region_blocks, count, _ = _HEAD.unpack_from(data)
        if version != _VERSION:
            raise ValueError(f"predictor of version {version}; this program reads {_VERSION}")
        body, (checksum,) = data[:-4], struct.unpack("<I", data[-4:])
        if zlib.crc32(body) != checksum:
            raise ValueError("the predictor is damaged: its checksum does not fit its contents")
        at, layers = _HEAD.size, []
        for _ in range(count):
            inputs, outputs, shift = _LAYER.unpack_from(body.ljust(at + _LAYER.size), at)
            at += _LAYER.size
            if at + 2 * outputs * (inputs + 4) > len(body):
                break
            weights = np.frombuffer(body, "<i2", inputs * outputs, at).reshape(outputs, inputs)
            bias = np.frombuffer(body, "<i8", outputs, at + weights.nbytes)
            at += weights.nbytes + bias.nbytes
            layers.append(Layer(weights, bias, shift))
        if not layers or len(layers) != count or at != len(body):
            raise ValueError("the predictor is damaged: its layers do not fit its length")
        if layers[0].weights.shape[1] != FEATURES:
            raise ValueError(
                f"a predictor for {layers[0].weights.shape[1]} features; this program has {FEATURES}"
            )
        return cls(tuple(layers), region_blocks, {} if provenance is None else provenance)
