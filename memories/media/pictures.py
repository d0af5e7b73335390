"""Frames of a memory as pictures: as they are in the video, only larger; one is cropped and tinted as its thumbnail."""

import colorsys

import numpy as np

from ..engine.errors import Damaged, NotFound
from ..engine.pages import Kind
from ..engine.reader import Reader
from ..models import Commit, Memory
from . import shelf
from .files import OPEN_FILES

SIZES = (256, 512, 1024)  # few, so that an address cannot fill the disk
THUMBNAIL = (36, 64)  # modules
PIXELS = 10  # of a module of the thumbnail


def frame_name(memory: Memory, number: int, size: int) -> str:
    """Names what the picture shows for good: the hash of its commit covers every frame of it.

    Raises NotFound outside the frames of the memory.
    """
    if not 0 <= number < memory.frames:
        raise NotFound(f"there is no frame {number}: the frames are 0 to {memory.frames - 1}")
    covering = Commit.objects.filter(memory=memory, first_frame__lte=number).order_by("-first_frame")
    made = covering.values_list("hash", flat=True).first()
    if made is None:
        raise NotFound(f"frame {number} belongs to no commit")
    return f"{made[:32]}-{number}-{nearest_size(size)}.png"


def nearest_size(wanted: int) -> int:
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def draw_frame(memory: Memory, name: str, number: int, size: int) -> bytes:
    """Raises MemvidError: the file cannot be opened, or the frame does not decode."""

    def draw() -> bytes:
        with OPEN_FILES.reader(memory) as reader:
            _check_same(reader, number, name)
            return _encode(_scaled(reader.frame_image(number), nearest_size(size)))

    return shelf.picture(memory, name, draw)


def _check_same(reader: Reader, number: int, name: str) -> None:
    """A swapped file has other frames by the same numbers; the rows follow in a moment."""
    found = next((c for c in reader.commits() if c.first_frame <= number < c.first_frame + c.frames), None)
    if found is None or not name.startswith(found.hash.hex()[:32]):
        raise NotFound(f"frame {number} is being replaced: look again in a moment")


def _scaled(luma: np.ndarray, size: int) -> np.ndarray:
    """By whole numbers, so that every module stays sharp; only a frame that is too large is made smaller freely."""
    import cv2

    side = max(luma.shape)
    if side > size:
        ratio = size / side
        return cv2.resize(luma, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    factor = size // side
    return luma.repeat(factor, axis=0).repeat(factor, axis=1)


def _encode(image: np.ndarray) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise Damaged("the frame could not be drawn")
    return data.tobytes()


# -- thumbnails


def thumbnail_name(memory: Memory) -> str:
    """Of the first commit: what is appended does not change it."""
    first = Commit.objects.filter(memory=memory).order_by("number").values_list("hash", flat=True).first()
    return f"{first[:32]}-thumbnail.png" if first else "empty.png"


def draw_thumbnail(memory: Memory, name: str) -> bytes:
    """Raises MemvidError, as draw_frame does."""
    if not memory.frames:
        return placeholder()

    def draw() -> bytes:
        with OPEN_FILES.reader(memory) as reader:
            return _encode(_tinted(_corner(reader, first_records(reader)), memory.pk.int % 360))

    return shelf.picture(memory, name, draw)


def first_records(reader: Reader) -> int:
    """The first frame that holds text, else the first one."""
    directory = reader.log.directory
    return next((n for n in range(min(directory.pages, 512)) if directory.kind(n) == Kind.RECORDS), 0)


def _corner(reader: Reader, number: int) -> np.ndarray:
    """(36, 64) luma of the modules around the upper left corner of the frame's symbol."""
    import cv2

    geometry = reader.profile.geometry
    rows, columns = THUMBNAIL
    row, column = (max(0, at - 2 * geometry.scale) for at in geometry.offset)
    part = reader.frame_image(number)[row : row + rows * geometry.scale, column : column + columns * geometry.scale]
    return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)


def _tinted(luma: np.ndarray, hue: int) -> np.ndarray:
    """(360, 640, 3) BGR: dark modules almost black, light ones in two neighbouring hues of the memory's own."""
    across = np.linspace(0, 1, luma.shape[1])[None, :, None]
    light = _colour(hue, 0.45, 0.92) * (1 - across) + _colour(hue + 50, 0.55, 0.80) * across
    dark = _colour(hue + 20, 0.65, 0.20)
    amount = luma[:, :, None] / 255
    image = (dark + (light - dark) * amount).round().astype(np.uint8)
    return image.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)


def _colour(hue: int, saturation: float, value: float) -> np.ndarray:
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return np.array([blue, green, red]) * 255


def placeholder() -> bytes:
    """For a memory without a frame: an even grid of dots, half transparent so that it suits a light and a dark page."""
    rows, columns = THUMBNAIL
    image = np.full((rows * PIXELS, columns * PIXELS, 4), 128, np.uint8)
    image[:, :, 3] = 24
    for at in range(PIXELS - 2, PIXELS + 2):
        for beside in range(PIXELS - 2, PIXELS + 2):
            image[at :: 2 * PIXELS, beside :: 2 * PIXELS, 3] = 64
    return _encode(image)
