"""extract and export: out of the memory again."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, count, line, paragraph, shown
from memories.engine.config import Config, QrConfig
from memories.engine.errors import MemvidError, UsageError
from memories.engine.publishing import writing

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

KINDS = (".png", ".txt")


def extract_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)
    parser.add_argument("-f", "--frame", type=int, required=True, metavar="N", help="counted from 0")
    parser.add_argument("-o", "--output", metavar="FILE.png|.txt", help="the picture, or the text that it holds")


def extract(args: argparse.Namespace, config: Config, out: Output) -> int:
    target = _target(args.output)
    with options.opened(options.memory_path(args), config, out) as memory:
        text = memory.page_text(args.frame)
        document: dict[str, Any] = {"frame": args.frame, "output": args.output, "text": text}
        if target and target.suffix.lower() == ".png":
            picture = painted(memory.frame_image(args.frame), config.qr)
            with writing(target) as file:
                picture.save(file, "PNG")
            document |= {"width": picture.width, "height": picture.height}
        elif target:
            with writing(target) as file:
                file.write(text.encode())
    out.answer(document, [f"frame {args.frame} is in {line(target)}" if target else paragraph(text)])
    return 0


def _target(name: str | None) -> Path | None:
    if name is None:
        return None
    if Path(name).suffix.lower() not in KINDS:
        raise UsageError(f"-o {name}: the name must end in .png (the picture) or .txt (its text)")
    return options.new_file(name)


def painted(luma: "np.ndarray", colors: QrConfig) -> "Image.Image":
    """`luma`: uint8 (H, W). Dark becomes the fill colour, light the background colour."""
    import numpy as np
    from PIL import Image, ImageColor

    if (colors.fill_color, colors.back_color) == ("black", "white"):
        return Image.fromarray(luma)
    dark = np.array(ImageColor.getrgb(colors.fill_color)[:3], float)
    light = np.array(ImageColor.getrgb(colors.back_color)[:3], float)
    share = luma[..., None] / 255
    return Image.fromarray((dark + (light - dark) * share).round().astype(np.uint8))


def export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="M.mp4")
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--force", action="store_true", help="into a folder that is not empty; nothing is overwritten")
    options.as_of_argument(parser)


def export(args: argparse.Namespace, config: Config, out: Output) -> int:
    if not args.folder:
        raise UsageError("an empty name is no folder: write . for the folder you are in")
    folder = Path(args.folder)
    if folder.is_dir() and any(folder.iterdir()) and not args.force:
        raise MemvidError(f"{folder} is not empty; choose a new folder, or --force to add to it")
    with options.opened(options.existing(args.memory), config, out, args.as_of) as memory:
        outcomes = memory.export(folder)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    notable = [f"{line(one.path)}: {one.state}: {line(one.reason)}" for one in outcomes if one.reason]
    written = len(outcomes) - len(failed)
    document = {"folder": str(folder), "documents": [shown(outcome) for outcome in outcomes]}
    out.answer(document, [*notable, f"{line(folder)}: {count(written, 'document')}"])
    if failed:
        first = failed[0]
        raise MemvidError(f"{count(len(failed), 'document')} not written: {first.path}: {first.reason}")
    return 0
