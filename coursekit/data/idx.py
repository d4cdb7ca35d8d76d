"""The IDX file format of MNIST and its successors.

Four bytes of magic (0, 0, 8 for unsigned bytes, the number of dimensions), the dimensions as big-endian
32-bit integers, then the values. Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits",
1998. torchvision's reader needs an uncompressed file on disk, and seconds to import; this one reads verified
bytes.
"""

import math

import numpy as np

_UNSIGNED_BYTE = 8


def parse_idx(content: bytes) -> np.ndarray:
    """Return the array in an uncompressed IDX file of unsigned bytes, read-only, as uint8.

    Raises ValueError where the bytes are not such a file or don't fill its dimensions exactly.
    """
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise ValueError(f"not an IDX file of unsigned bytes: it starts with {content[:4]!r}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"an IDX file of {content[3]} dimensions that ends before they are given")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], dtype=">u4"))
    values = np.frombuffer(content[start:], dtype=np.uint8)
    if values.size != math.prod(shape):
        raise ValueError(f"an IDX file of shape {shape} with {values.size} values")
    return values.reshape(shape)


def format_idx(values: np.ndarray) -> bytes:
    """Return the uncompressed IDX file of a uint8 array; the inverse of `parse_idx`."""
    if values.dtype != np.uint8:
        raise ValueError(f"IDX files here hold uint8, not {values.dtype}")
    return (
        bytes((0, 0, _UNSIGNED_BYTE, values.ndim))
        + np.array(values.shape, dtype=">u4").tobytes()
        + values.tobytes()
    )
