"""Frames to a fragmented MP4 and back, through FFmpeg's libraries (PyAV).

Every frame is a key frame, so that any of them can be decoded alone.
"""

import io
import os
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.frame import PictureType

from .errors import Damaged, NotAMemory, Unsupported
from .profiles import CODECS, MAX_PIXELS, Profile

os.environ.setdefault("SVT_LOG", "1")  # errors only; the encoder writes to stderr by itself
av.logging.set_level(None)

TICKS_PER_FRAME = 512
FRAMES_PER_FRAGMENT = 64


DECODERS = {"av1": "libdav1d", "h264": "h264", "hevc": "hevc", "vp9": "vp9", "mpeg4": "mpeg4"}


class _Segments(io.RawIOBase):
    """What the muxer writes, cut into its top-level parts: the initialisation segment, then fragments."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.buffer += data
        return len(data)


class Encoder:
    """Luma frames in, MP4 parts out: first `ftyp`+`moov`, then `moof`+`mdat` pairs of up to 64 frames."""

    def __init__(self, profile: Profile):
        self._profile = profile
        height, width = profile.geometry.frame_size
        self._height = height
        self._sink = _Segments()
        self._container = av.open(self._sink, "w", format="mp4", options=self._mux_options(profile))
        self._stream = self._container.add_stream(CODECS[profile.codec].encoder, rate=profile.rate)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.gop_size = 1
        self._stream.codec_context.thread_count = profile.threads
        self._stream.options = profile.options
        self._picture = np.full((height * 3 // 2, width), 128, np.uint8)
        self._count = 0
        self._early: dict[int, av.Packet] = {}
        self._muxed = 0

    @staticmethod
    def _mux_options(profile: Profile) -> dict[str, str]:
        return {
            "movflags": "empty_moov+default_base_moof+frag_discont+skip_trailer",
            "frag_duration": str(int(FRAMES_PER_FRAGMENT / profile.rate * 1_000_000)),
            "video_track_timescale": str(profile.rate.numerator * TICKS_PER_FRAME),
            "use_editlist": "0",
            "fflags": "+bitexact",
        }

    def encode(self, frames: np.ndarray) -> Iterator[bytes]:
        """(n, height, width) uint8; yields what parts are ready."""
        for luma in frames:
            self._picture[: self._height] = luma
            picture = av.VideoFrame.from_ndarray(self._picture, format="yuv420p")
            picture.pts = self._count
            picture.time_base = 1 / self._profile.rate
            picture.pict_type = PictureType.I
            self._count += 1
            self._mux(self._stream.encode(picture))
            yield from self._parts()

    def finish(self) -> Iterator[bytes]:
        self._mux(self._stream.encode(None))
        self._container.close()
        yield from self._parts()

    def _mux(self, packets: list[av.Packet]) -> None:
        """SVT-AV1 4.1 now and then swaps two frames that lie a few apart; their times say where they belong."""
        self._early |= {packet.pts: packet for packet in packets}
        while (packet := self._early.pop(self._muxed, None)) is not None:
            self._container.mux(packet)
            self._muxed += 1

    def abandon(self) -> None:
        """Ends the encoder without keeping what it still holds; a library dropped in the middle would complain."""
        try:
            self._stream.encode(None)
            self._container.close()
        except (av.error.FFmpegError, ValueError):
            pass

    def _parts(self) -> Iterator[bytes]:
        buffer = self._sink.buffer
        while (size := _part_size(buffer)) is not None:
            yield bytes(buffer[:size])
            del buffer[:size]


def _part_size(buffer: bytearray) -> int | None:
    """Length of the first two boxes (`ftyp`+`moov` or `moof`+`mdat`) if both are whole."""
    end = 0
    for _ in range(2):
        if len(buffer) < end + 8:
            return None
        end += int.from_bytes(buffer[end : end + 4], "big")
    return end if len(buffer) >= end else None


class Decoder:
    """Samples of one file back to luma; every sample is a key frame, so any of them can come alone."""

    def __init__(self, init: bytes, *, threads: int = 1, hardware: bool = False):
        try:
            with av.open(io.BytesIO(init), format="mp4") as container:
                source = container.streams.video[0].codec_context
                if source is None:
                    raise NotAMemory("its video header names no codec")
                name, extradata = source.name, source.extradata
                if source.width * source.height > MAX_PIXELS:
                    raise NotAMemory(f"its frames of {source.width}x{source.height} are too large for a memory")
        except (av.error.FFmpegError, IndexError, ValueError, EOFError) as error:
            raise NotAMemory(f"its video header cannot be read ({error})") from None
        family = {"libdav1d": "av1", "libvpx-vp9": "vp9", "libaom-av1": "av1"}.get(name, name)
        if family not in DECODERS:
            raise Unsupported(f"its codec {name} is none that a memory uses ({', '.join(CODECS)})")
        found = _hardware_context(family) if hardware else None
        self.hardware = found is not None
        self._context = found or av.CodecContext.create(DECODERS[family], "r")
        self._context.extradata = extradata
        self._context.thread_count = threads
        self._context.options = {"max_pixels": str(MAX_PIXELS)}

    def decode(self, samples: Iterable[bytes]) -> Iterator[np.ndarray]:
        """Yields (height, width) uint8 views, one for each sample; raises Damaged when one does not decode."""
        count = got = 0
        try:
            for sample in samples:
                count += 1
                for frame in self._context.decode(av.Packet(sample)):
                    got += 1
                    yield luma_of(frame)
            for frame in self._context.decode(None):
                got += 1
                yield luma_of(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise Damaged(f"a frame does not decode ({type(error).__name__})") from None
        finally:
            self._context.flush_buffers()
        if got != count:
            raise Damaged(f"{count - got} of {count} frames do not decode")


def _hardware_context(family: str) -> av.CodecContext | None:
    """A decoder on the first device of this machine that takes the codec, or None."""
    for device in hwdevices_available():
        try:
            context = av.CodecContext.create(family, "r", HWAccel(device, allow_software_fallback=False))
        except (av.error.FFmpegError, RuntimeError, NotImplementedError, ValueError):
            continue
        if context.is_hwaccel:
            return context
    return None


def luma_of(frame: av.VideoFrame) -> np.ndarray:
    if frame.format.name not in ("yuv420p", "yuvj420p", "gray", "nv12", "yuv422p", "yuv444p", "yuvj444p"):
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def decode_any(path: Any) -> Iterator[np.ndarray]:
    """Every frame of any video file, in order; for memories that were re-muxed or re-encoded."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            if context is None or context.width * context.height > MAX_PIXELS:
                raise NotAMemory("its frames cannot be decoded or are too large for a memory")
            context.thread_count = 2
            context.options = {"max_pixels": str(MAX_PIXELS)}
            for packet in container.demux(stream):
                try:
                    yield from (luma_of(frame) for frame in packet.decode())
                except (av.error.InvalidDataError, ValueError):
                    continue  # the missing frame is reported by whoever counts the pages
    except (av.error.FFmpegError, IndexError, EOFError) as error:
        raise NotAMemory(f"it is not a video that can be read ({type(error).__name__})") from None
