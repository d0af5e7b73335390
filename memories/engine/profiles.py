"""How a file is drawn and encoded: codecs, profiles, and what a configuration changes of them.

Every codec's settings were chosen by reading back: with settings that look fine, some modules come out
wrong (docs/adr/0003-codec-settings.md). The writer compares every frame again anyway.
"""

import re
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .errors import Damaged, UsageError
from .symbols import Geometry

if TYPE_CHECKING:
    from .config import Config

MAX_PIXELS = 4096 * 4096
RATE = re.compile(r"[0-9]{1,9}([./][0-9]{1,20})?")  # Fraction("1e999999999") would take for ever
MOST_DENOMINATOR = 1001


@dataclass(frozen=True)
class Codec:
    """One of the accepted codecs: its library, pixels per module, and settings proven by reading back."""

    encoder: str
    scale: int
    options: dict[str, str]

    def options_with(self, threads: int) -> dict[str, str]:
        return {key: value.replace("{threads}", str(threads)) for key, value in self.options.items()}


# keyint=1 everywhere: each frame is decoded alone, so that reading one costs one.
CODECS = {
    "av1": Codec(
        "libsvtav1",
        1,
        {
            "preset": "7",  # the fastest that still finds the two-colour palette
            "crf": "5",
            "svtav1-params": "scm=1:keyint=1:enable-dlf=0:enable-cdef=0:enable-restoration=0:lp={threads}",
        },
    ),
    "h264": Codec(
        "libx264",
        2,
        {
            "preset": "veryfast",
            "crf": "24",
            "x264-params": "keyint=1:scenecut=0:no-deblock=1:aq-mode=0:8x8dct=0:no-psy=1:threads={threads}",
        },
    ),
    "h265": Codec(
        "libx265",
        2,
        {
            "preset": "ultrafast",
            "crf": "22",
            "x265-params": "keyint=1:no-deblock=1:no-sao=1:aq-mode=0:log-level=none:pools={threads}:frame-threads=1",
        },
    ),
    "vp9": Codec(
        "libvpx-vp9",
        4,
        {
            "deadline": "realtime",
            "cpu-used": "5",
            "crf": "40",
            "b": "0",
            "g": "1",
            "tune-content": "screen",
            "row-mt": "0",
            "threads": "{threads}",
        },
    ),
    "mp4v": Codec("mpeg4", 2, {"qmin": "10", "qmax": "10", "g": "1", "threads": "{threads}"}),
}


@dataclass(frozen=True)
class Profile:
    """How a whole file is drawn and encoded; stored in its manifest and never changed."""

    name: str
    codec: str
    geometry: Geometry = field(default_factory=Geometry)
    parity: bool = False
    fps: str = "30"
    threads: int = 2
    options: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.geometry.version

    @property
    def error(self) -> str:
        return self.geometry.error

    @property
    def scale(self) -> int:
        return self.geometry.scale

    @property
    def rate(self) -> Fraction:
        return _fraction(self.fps)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> "Profile":
        try:
            geometry = Geometry(**data["geometry"])
            profile = Profile(**{**data, "geometry": geometry})
            profile.check()
            return profile
        except (TypeError, KeyError, ValueError, ZeroDivisionError, AttributeError, UsageError) as error:
            raise Damaged(f"the manifest describes no profile that this build knows ({error})") from None

    def check(self) -> None:
        height, width = self.geometry.frame_size
        if self.codec not in CODECS:
            raise UsageError(f"unknown codec {self.codec!r}: use one of {', '.join(CODECS)}")
        if height * width > MAX_PIXELS:
            raise UsageError(f"a frame of {width}x{height} is too large: use fewer pixels per module")
        if self.rate.denominator > MOST_DENOMINATOR or not 1 <= self.rate <= 240 or not 1 <= self.threads <= 64:
            raise UsageError(f"fps {self.fps} or threads {self.threads} is out of range (1-240, 1-64)")


def _profile(
    name: str, codec: str, *, scale: int = 0, error: str = "L", parity: bool = False, size: int = 0
) -> Profile:
    geometry = Geometry(error=error, scale=scale or CODECS[codec].scale, width=size, height=size, coding="dense")
    return Profile(name, codec, geometry, parity, options=CODECS[codec].options)


PROFILES = {
    # 192 pixels are whole superblocks of 64, which costs 0.8 % less than the 186 that the symbol needs.
    "compact": _profile("compact", "av1", size=192),
    "universal": _profile("universal", "h264"),
    "durable": _profile("durable", "h264", scale=4, error="M", parity=True),
}


def choose_profile(name: str = "compact", codec: str | None = None, threads: int = 2, **geometry: Any) -> Profile:
    """The named profile, with another codec or geometry if asked for."""
    if name not in PROFILES:
        raise UsageError(f"unknown profile {name!r}: use one of {', '.join(PROFILES)}")
    if codec is not None and codec not in CODECS:
        raise UsageError(f"unknown codec {codec!r}: use one of {', '.join(CODECS)}")
    profile = PROFILES[name]
    if codec and codec != profile.codec:
        scale = max(profile.scale, CODECS[codec].scale) if profile.parity else CODECS[codec].scale
        profile = replace(
            profile, codec=codec, options=CODECS[codec].options, geometry=replace(profile.geometry, scale=scale)
        )
    fps = _fps(geometry.pop("fps", None) or profile.fps)
    chosen = {key: value for key, value in geometry.items() if value not in (None, "")}
    options = Codec("", 0, profile.options).options_with(threads)
    shape = replace(profile.geometry, **chosen)
    if _drawn(shape) != _drawn(PROFILES[name].geometry):  # the profile's least frame is for its own symbol
        shape = replace(shape, width=chosen.get("width", 0), height=chosen.get("height", 0))
    profile = replace(profile, geometry=shape, fps=fps, threads=threads, options=options)
    profile.check()
    return profile


def _drawn(geometry: Geometry) -> tuple[int, int, int]:
    return geometry.version, geometry.scale, geometry.border


def profile_for(name: str, codec: str | None, config: "Config | None") -> Profile:
    """The named profile with what the `video` and `qr` sections change."""
    if config is None:
        return choose_profile(name, codec)
    video, qr = config.video, config.qr
    return choose_profile(
        name, codec or video.default_codec or None, video.encoding_threads or 2, fps=video.fps,
        version=qr.version or None, error=qr.error_correction, scale=qr.box_size or None, border=qr.border,
        width=video.frame_width or None, height=video.frame_height or None,
    )  # fmt: skip


def _fps(value: float | str) -> str:
    """The nearest fraction that an MP4 can count in: 23.976023976 is 24000/1001."""
    try:
        return str(_fraction(str(value)).limit_denominator(MOST_DENOMINATOR))
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"fps {str(value)[:40]} is no number from 1 to 240") from None


def _fraction(text: str) -> Fraction:
    if not RATE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no frame rate")
    return Fraction(text)


def reading_settings(config: "Config | None") -> dict[str, Any]:
    if config is None:
        return {}
    return {"cache_pages": config.search.cache_size, "hardware": config.video.use_hardware_acceleration}
