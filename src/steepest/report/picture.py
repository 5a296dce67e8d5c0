"""Coefficients of images as small PNG pictures, in a data address."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from steepest.protocols import FloatArray

POSITIVE = (214, 62, 42)
NEGATIVE = (38, 110, 216)


def diverging(values: FloatArray, scale: float) -> NDArray[np.uint8]:
    """RGBA pixels of shape ``(*values.shape, 4)``: red above zero, blue below, clear at zero.

    Opacity is ``|value| / scale``, at most 1, so that zero takes the colour of the page, light or dark.
    """
    shade = np.clip(np.abs(values) / scale, 0.0, 1.0) if scale > 0 else np.zeros(values.shape)
    out = np.empty((*values.shape, 4), dtype=np.uint8)
    out[..., :3] = np.where((values > 0)[..., None], POSITIVE, NEGATIVE)
    out[..., 3] = np.rint(255 * shade)
    return out


def grey(values: FloatArray) -> NDArray[np.uint8]:
    """RGBA pixels of an image: the least value is black, the greatest white."""
    low, high = float(values.min()), float(values.max())
    shade = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    out = np.empty((*values.shape, 4), dtype=np.uint8)
    out[..., :3] = np.rint(255 * shade)[..., None]
    out[..., 3] = 255
    return out


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of RGBA pixels of shape (height, width, 4)."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), dtype=np.uint8)  # each row starts with its filter, 0 = none
    rows[:, 1:] = pixels.reshape(height, 4 * width)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    packed = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def data_address(pixels: NDArray[np.uint8]) -> str:
    """The picture as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
