"""What goes over the websocket, byte by byte.

A page sends text, one JSON object a message (`view`, `resolution`, `mode`, `camera`, `mesh`, `record`), and its
camera's frames as binary messages: its own time (float64) and a JPEG. The server sends text, the state as one JSON
object, and binary messages whose first byte is their kind; all numbers are little-endian.
"""

from __future__ import annotations

import struct

from .pipeline import Picture

PICTURE, FRAME_MESH, RECORDING = 1, 2, 3
_HEAD = struct.Struct("<BIdI")
_STAMP = struct.Struct("<d")
# A camera's frame is a JPEG of at most 640 pixels a side; this holds any of them, and a few of larger ones.
MOST_BYTES = 4 << 20


def pack_picture(picture: Picture) -> bytes:
    """The message of a picture: kind, number of the frame, the sender's time, length of the input, input and drawn."""
    shot = picture.surface.seen.shot
    return _HEAD.pack(PICTURE, shot.number & 0xFFFFFFFF, shot.stamp, len(picture.input)) + picture.input + picture.drawn


def unpack_picture(message: bytes) -> tuple[int, float, bytes, bytes]:
    """Number of the frame, the sender's time, and the two JPEGs; the page does the same in JavaScript."""
    _, number, stamp, length = _HEAD.unpack_from(message)
    return number, stamp, message[_HEAD.size : _HEAD.size + length], message[_HEAD.size + length :]


def pack_file(kind: int, content: bytes) -> bytes:
    """The message of a GLB: its kind, FRAME_MESH or RECORDING, and the file."""
    return bytes([kind]) + content


def pack_shot(stamp: float, content: bytes) -> bytes:
    """The message of a camera's frame, as the page makes it."""
    return _STAMP.pack(stamp) + content


def unpack_shot(message: bytes) -> tuple[float, bytes]:
    """The sender's time and the bytes of the picture.

    Raises:
        ValueError: the message is too short.
    """
    if len(message) <= _STAMP.size:
        raise ValueError("a frame of no bytes")
    return _STAMP.unpack_from(message)[0], message[_STAMP.size :]
