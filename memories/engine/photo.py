"""Reads the page on a photo: `python -m memories.engine.photo < picture`, a process of its own with little to spend.

A picture is the most hostile input there is: its decoders are large and written in C. So whoever has one from a
stranger runs this as a child, which limits its own memory and time before it looks at the first byte.
It prints one line of JSON: the page's memory, commit, number, kind and digest, or an error.
"""

import io
import json
import resource
import sys
from hashlib import blake2b
from typing import Any

MOST_BYTES = 12 << 20
MOST_PIXELS = 64_000_000
MOST_SIDE = 16_000
READ_SIDE = 3200  # a symbol of 177 modules needs no more, and the readers take time with every pixel
SECONDS = 15
MEMORY = 2 << 30
FORMATS = ("PNG", "JPEG", "WEBP")


class Refused(Exception):
    """One line for the person whose picture it is."""


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def luma_of_picture(data: bytes) -> Any:
    """(height, width) uint8, not larger than is of use; the size is checked before a pixel is decoded."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
                raise Refused(f"the picture has {width} x {height} pixels: that is too large")
            image.draft("L", (READ_SIDE, READ_SIDE))
            image.thumbnail((READ_SIDE * 2, READ_SIDE * 2), Image.Resampling.BOX)
            grey = _on_white(image)
            grey.thumbnail((READ_SIDE, READ_SIDE), Image.Resampling.BILINEAR)
            return np.array(grey)
    except UnidentifiedImageError:
        raise Refused("this is no picture that can be read: use JPEG, PNG or WebP") from None
    except Image.DecompressionBombError:
        raise Refused("the picture has too many pixels") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(f"the picture is damaged ({type(error).__name__})") from None


def _on_white(image: Any) -> Any:
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("L")


def look(data: bytes) -> dict[str, Any]:
    """Raises Refused, or Damaged when no page can be read from the picture."""
    from .readers import read_photo

    page = read_photo(luma_of_picture(data))
    return {
        "memory": page.memory.hex(), "commit": page.commit, "number": page.number,
        "kind": int(page.kind), "digest": page_digest(page.pack()),
    }  # fmt: skip


def page_digest(packed: bytes) -> str:
    return blake2b(packed, digest_size=16).hexdigest()


def main() -> int:
    limit()
    from .errors import Damaged

    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        if len(data) > MOST_BYTES:
            raise Refused(f"the picture is larger than {MOST_BYTES >> 20} MB")
        answer = look(data)
    except (Refused, Damaged) as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "the picture takes too much memory: use a smaller one"}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
