"""Films with what telephones and editors write: rotation, pixel shapes, times, transparency, HDR."""

import struct
from fractions import Fraction

import numpy as np


def write_film(path, frames, *, codec="libx264", pixels="yuv444p", rate=10, times=None, options=None, aspect=None):
    """Write frames (H, W, 3 or 4) uint8, or (H, W, 3) uint16 of yuv444p16le; `times` are seconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        first = frames[0]
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, stream.options = pixels, options or {}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, values in enumerate(frames):
            names = {3: "rgb24", 4: "rgba"}
            name = "yuv444p16le" if values.dtype == np.uint16 else names[values.shape[2]]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format=name)
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def turn_header(path, width):
    """Let the header of an MP4 say that a player turns its pictures by 90 degrees clockwise; `width`: when turned."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # the matrix of the track's header: ISO/IEC 14496-12, 8.3.2
    one = 1 << 16
    content[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, width * one, 0, 1 << 30)
    path.write_bytes(content)
