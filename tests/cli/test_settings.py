"""Every setting changes something that can be seen. The table has a probe for each key; a key without one fails."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from memories.engine.config import MODEL, Config, rules
from memories.engine.memory import Memory
from memories.engine.retriever import MemvidRetriever

TAIL = "One more sentence. " * 55  # a little more than one chunk
LONG = "".join(f"Sentence number {n} is written here. " for n in range(60))
FUNCTION = "def long():\n" + "".join(f"    step_{n} = {n}\n" for n in range(60)) + "\n\ndef short():\n    pass\n"


@dataclass
class Bench:
    """A folder with something for every filter, and the command."""

    memvid: Callable[..., Any]
    patch: pytest.MonkeyPatch

    def json(self, line: str, code: int | None = 0) -> Any:
        return self.memvid(f"{line} --json", code=code).json

    def memory(self, flags: str = "--no-index", paths: str = "texts") -> str:
        self.memvid(f"encode {paths} -o m.mp4 {flags}")
        return "m.mp4"

    def taken(self) -> list[str]:
        return [item["path"] for item in self.json("encode folder -o m.mp4 --preview")["taken"]]

    def chunks(self, path: str) -> list[str]:
        with Memory.open(self.memory(paths=path)) as memory:
            return [chunk.text for chunk in memory.read_many(memory.chunks())]

    def picture(self) -> Image.Image:
        self.memvid(f"extract {self.memory()} --frame 0 -o frame.png")
        with Image.open("frame.png") as picture:
            return picture.convert("RGB")

    def info(self, flags: str = "--no-index") -> Any:
        return self.json(f"info {self.memory(flags)}")

    def real_model(self) -> None:
        self.patch.setenv("MEMVID_EMBEDDING_MODEL", MODEL)

    def by_meaning(self) -> Any:
        self.real_model()
        return self.json(f"search -v {self.memory('')} --mode semantic -q 'sentence number'")


def bench_in(folder: Path, memvid: Any, patch: pytest.MonkeyPatch) -> Bench:
    for name, text in {
        "texts/long.txt": LONG,
        "tail.txt": TAIL,
        "function.py": FUNCTION,
        "folder/a.txt": "top",
        "folder/b.md": "a somewhat longer text",
        "folder/one/two/deep.txt": "deep",
        "folder/.hidden.txt": "hidden",
        "folder/data.odd": "\0binary",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "folder/link.txt").symlink_to("../texts/long.txt")
    return Bench(memvid, patch)


def debug_lines(bench: Bench) -> bool:
    bench.memory()
    return "loading the model" in bench.memvid("index m.mp4").err


def hits(bench: Bench) -> int:
    return len(bench.json(f"search -v {bench.memory()} -q sentence")["results"])


def many_hits(bench: Bench) -> int:
    return bench.memvid(f"search -v {bench.memory()} -q sentence -k 3", code=None).code


def notes(bench: Bench) -> Any:
    return [note for note in bench.json(f"search -v {bench.memory()} -q sentence")["notes"] if "faiss" in note]


def rerank_notes(bench: Bench) -> list[str]:
    return [note for note in bench.json(f"search -v {bench.memory()} -q sentence")["notes"] if "re-ranking" in note]


def threads(bench: Bench) -> list[int]:
    import search.engine.legs as legs

    asked, pool = [], legs.ThreadPoolExecutor
    bench.patch.setattr(legs, "ThreadPoolExecutor", lambda workers: asked.append(workers) or pool(workers))
    bench.by_meaning()
    return asked


def remembered(bench: Bench) -> bool:
    """Whether the second search for the same reads no frame."""
    with MemvidRetriever(bench.memory(), config=Config.load()) as retriever:
        first = retriever.results("sentence")
        bench.patch.setattr(retriever._searcher, "_search", lambda *args: None)
        return retriever.results("sentence") is first


def indexing(bench: Bench) -> str:
    return bench.json("encode texts -o m.mp4")["indexing"]["state"]


def overlap(bench: Bench) -> list[int]:
    with Memory.open(bench.memory()) as memory:
        return [len(chunk.before) for chunk in memory.read_many(memory.chunks())]


def speed(bench: Bench) -> float:
    with MemvidRetriever(bench.memory()) as retriever:
        return retriever.get_video_info()["fps"]


def hardware(bench: Bench) -> Any:
    return bench.info()["hardware_acceleration"]["requested"]


def original(bench: Bench) -> bool:
    """Whether the file itself came back, rather than its text."""
    book = openpyxl.Workbook()
    book.active.append(["whale", 1])
    book.save("note.xlsx")
    with Memory.open(bench.memory(paths="note.xlsx")) as memory:
        return memory.content("note.xlsx") == Path("note.xlsx").read_bytes()


def embedded(bench: Bench) -> list[float]:
    return [hit["score"] for hit in bench.by_meaning()["results"]]


def batches(bench: Bench) -> int:
    from search.engine.embedder import Embedder

    sizes, encode = [], Embedder._encode
    bench.patch.setattr(
        Embedder, "_encode", lambda self, call, texts: sizes.append(len(texts)) or encode(self, call, texts)
    )
    bench.by_meaning()
    return max(sizes)


def model_note(bench: Bench) -> list[str]:
    bench.memory()
    return bench.json("index m.mp4")["notes"]


def gpu(bench: Bench) -> str:
    """Without a GPU it is an error that says so, with one it is used."""
    bench.real_model()
    bench.memory()
    return bench.memvid("index m.mp4", code=None).err


def threads_of_the_encoder(bench: Bench) -> int:
    with Memory.open(bench.memory()) as memory:
        return memory.profile.threads


def from_cache(bench: Bench) -> list[str]:
    """A folder of models that is not whole: what is said names it only if it was looked into."""
    snapshot = Path("cache/models--nowhere--no-model/snapshots/1")
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("1")
    return ["cache/models--" in note for note in model_note(bench)]


def total(bench: Bench) -> int:
    return bench.by_meaning()["total"]


def color(place: tuple[int, int]) -> Callable[[Bench], Any]:
    return lambda bench: bench.picture().getpixel(place)


# key -> (a value that is not the default, what is looked at)
PROBES: dict[str, tuple[str, Callable[[Bench], Any]]] = {
    "log_level": ("debug", debug_lines),
    "search.default_top_k": ("1", hits),
    "search.max_top_k": ("2", many_hits),
    "search.similarity_threshold": ("0.999", total),
    "search.use_faiss": ("true", notes),
    "search.search_threads": ("3", threads),
    "search.cache_size": ("0", remembered),
    "search.enable_index_building": ("false", indexing),
    "search.enable_background_indexing": ("true", indexing),
    "text.chunk_size": ("300", lambda bench: len(bench.chunks("texts"))),
    "text.overlap": ("20", overlap),
    "text.max_chunk_size": ("500", lambda bench: len(bench.chunks("function.py"))),
    "text.min_chunk_size": ("0", lambda bench: len(bench.chunks("tail.txt"))),
    "video.default_codec": ("h265", lambda bench: bench.info()["codec"]),
    "video.profile": ("universal", lambda bench: bench.info()["profile"]),
    "video.fps": ("10", speed),
    "video.frame_width": ("512", lambda bench: bench.picture().width),
    "video.frame_height": ("512", lambda bench: bench.picture().height),
    "video.use_hardware_acceleration": ("true", hardware),
    "video.encoding_threads": ("1", threads_of_the_encoder),
    "qr.version": ("30", lambda bench: bench.picture().width),
    "qr.error_correction": ("M", lambda bench: bench.picture().tobytes()),
    "qr.box_size": ("3", lambda bench: bench.picture().width),
    "qr.border": ("12", lambda bench: bench.picture().width),
    "qr.fill_color": ("#000080", color((7, 7))),
    "qr.back_color": ("#ffffe0", color((1, 1))),
    "folder.max_depth": ("1", Bench.taken),
    "folder.include_extensions": ("md", Bench.taken),
    "folder.exclude_extensions": ("md", Bench.taken),
    "folder.exclude_patterns": ("a.*", Bench.taken),
    "folder.min_file_size": ("10", Bench.taken),
    "folder.max_file_size": ("10", Bench.taken),
    "folder.follow_symlinks": ("true", Bench.taken),
    "folder.include_hidden": ("true", Bench.taken),
    "folder.skip_binary": ("false", Bench.taken),
    "folder.max_original": ("10", original),
    "embeddings.model_name": ("elsewhere/other", model_note),
    "embeddings.revision": ("v9", model_note),
    "embeddings.use_gpu": ("true", gpu),
    "embeddings.batch_size": ("1", batches),
    "embeddings.max_sequence_length": ("8", embedded),
    "embeddings.cache_dir": ("cache", from_cache),
    "rerank.model": ("elsewhere/cross-encoder", rerank_notes),
}


def test_every_key_has_a_probe():
    assert set(PROBES) == set(rules())


def seen(memvid: Any, folder: Path, key: str, text: str | None) -> Any:
    """What the probe sees in a folder of its own with the setting in memvid.toml."""
    with pytest.MonkeyPatch.context() as patch:
        folder.mkdir()
        patch.chdir(folder)
        if text:
            section, _, name = key.rpartition(".")
            Path("memvid.toml").write_text((f"[{section}]\n" if section else "") + f"{name} = {toml(text)}\n")
            if key == "embeddings.model_name":
                patch.delenv("MEMVID_EMBEDDING_MODEL")
        return PROBES[key][1](bench_in(Path("."), memvid, patch))


def toml(text: str) -> str:
    return text if text in ("true", "false") or text.replace(".", "", 1).isdigit() else json.dumps(text)


@pytest.mark.parametrize("key", sorted(PROBES))
def test_every_setting_changes_something(memvid, here, key):
    assert seen(memvid, here / "plain", key, None) != seen(memvid, here / "set", key, PROBES[key][0])
