"""Settings: defaults, then memvid.toml (or a named file), then the environment, then flags.

Every key is declared once, as a dataclass field with its `Rule`; the file reader, the environment
table and the error messages are all derived from those fields.
"""

import difflib
import logging
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from memories.engine.errors import UsageError
from memories.engine.rules import COLOR, PATTERNS, TEXT, YES_NO, Rule, choice, extensions, number, string, whole, words

DEFAULT_FILE = "memvid.toml"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
CODECS = ("av1", "h264", "h265", "vp9", "mp4v")
MOST_THREADS = 64
LONGEST_VALUE = 80  # characters of a wrong value in a message
PROFILES = ("compact", "universal", "durable")
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
BINARIES = [
    "exe", "dll", "so", "dylib", "bin", "obj", "o", "a", "lib", "zip",
    "tar", "gz", "rar", "7z", "iso", "img", "dmg", "pkg", "deb", "rpm",
]  # fmt: skip
# Folders of build results and caches, and files nobody writes by hand.
LEFT_OUT = [
    "target", "node_modules", ".git", ".svn", ".hg", "build", "dist", "__pycache__",
    "*.tmp", "*.temp", "*.cache",
]  # fmt: skip


def _key(default: Any, rule: Rule) -> Any:
    metadata = {"rule": rule}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _cores() -> int:
    return min(os.cpu_count() or 1, MOST_THREADS)


@dataclass
class SearchConfig:
    default_top_k: int = _key(5, whole(1))
    max_top_k: int = _key(100, whole(1))
    similarity_threshold: float = _key(0.0, number(-1, 1))
    use_faiss: bool = _key(False, YES_NO)
    search_threads: int = field(default_factory=_cores, metadata={"rule": whole(1, MOST_THREADS)})
    cache_size: int = _key(1000, whole(0))  # decoded pages kept
    enable_index_building: bool = _key(True, YES_NO)
    enable_background_indexing: bool = _key(False, YES_NO)


@dataclass
class TextConfig:
    """All in characters."""

    chunk_size: int = _key(1000, whole(1, 1_000_000))
    overlap: int = _key(50, whole(0, 1_000_000))
    max_chunk_size: int = _key(1500, whole(1, 1_000_000))
    min_chunk_size: int = _key(100, whole(0, 1_000_000))


@dataclass
class VideoConfig:
    """`frame_width` and `frame_height` 0: as small as the symbol allows; larger: the symbol is centred."""

    default_codec: str | None = _key(None, choice(*CODECS, optional=True))
    profile: str = _key("compact", choice(*PROFILES))
    fps: float = _key(30.0, number(1, 240))
    frame_width: int = _key(0, whole(0, 7680))
    frame_height: int = _key(0, whole(0, 7680))
    use_hardware_acceleration: bool = _key(False, YES_NO)
    encoding_threads: int = field(default_factory=_cores, metadata={"rule": whole(1, MOST_THREADS)})


@dataclass
class QrConfig:
    """None: what the profile says. The colours are those of exported frame pictures."""

    version: int | None = _key(None, whole(0, 40, optional=True))
    error_correction: str | None = _key(None, choice("L", "M", "Q", "H", upper=True, optional=True))
    box_size: int | None = _key(None, whole(1, 64, optional=True))
    border: int = _key(4, whole(0, 64))
    fill_color: str = _key("black", COLOR)
    back_color: str = _key("white", COLOR)


@dataclass
class FolderConfig:
    """Sizes in bytes; `max_depth` 0 is the folder alone, None has no limit."""

    max_depth: int | None = _key(10, whole(0, optional=True))
    include_extensions: list[str] | None = _key(None, words("a list of extensions", extensions, optional=True))
    exclude_extensions: list[str] = _key(BINARIES, words("a list of extensions", extensions))
    exclude_patterns: list[str] = _key(LEFT_OUT, PATTERNS)
    min_file_size: int = _key(0, whole(0))
    max_file_size: int = _key(100 * 1024 * 1024, whole(0))
    follow_symlinks: bool = _key(False, YES_NO)
    include_hidden: bool = _key(False, YES_NO)
    skip_binary: bool = _key(True, YES_NO)
    max_original: int = _key(10 * 1024 * 1024, whole(0))


@dataclass
class EmbeddingsConfig:
    """`max_sequence_length` in tokens, None: the model's own."""

    model_name: str = _key(MODEL, TEXT)
    revision: str | None = _key(None, words("a text", string, optional=True))
    use_gpu: bool = _key(False, YES_NO)
    batch_size: int = _key(32, whole(1, 65536))
    max_sequence_length: int | None = _key(None, whole(1, 1_000_000, optional=True))
    cache_dir: str | None = _key(None, words("a folder", string, optional=True))


@dataclass
class RerankConfig:
    """`model`: a cross-encoder that puts the best passages in a new order; None: none does."""

    model: str | None = _key(None, words("a model", string, optional=True))


@dataclass
class Config:
    log_level: str = _key("info", choice(*LEVELS))
    search: SearchConfig = field(default_factory=SearchConfig)
    text: TextConfig = field(default_factory=TextConfig)
    video: VideoConfig = field(default_factory=VideoConfig)
    qr: QrConfig = field(default_factory=QrConfig)
    folder: FolderConfig = field(default_factory=FolderConfig)
    embeddings: EmbeddingsConfig = field(default_factory=EmbeddingsConfig)
    rerank: RerankConfig = field(default_factory=RerankConfig)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> "Config":
        """`overrides` are dotted keys ("text.chunk_size") from flags; a value of None is no override."""
        given = _Given()
        given.take_file(path)
        given.take_environment(os.environ if env is None else env)
        for key, value in (overrides or {}).items():
            if value is not None:
                given.take(key, value, "the command line")
        return given.config()

    @classmethod
    def from_file(cls, path: str | Path) -> "Config":
        return cls.load(path, env={})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        given = _Given()
        given.take_table(values, "the settings")
        return given.config()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def checked(self) -> "Config":
        """A copy that went through every rule; for settings made by assignment."""
        plain, default = self.to_dict(), Config().to_dict()
        return Config.from_dict(_changes(plain, default))

    def drawing(self) -> "Config | None":
        """Itself if it says how frames are to be drawn, None if that is left to a profile or to an existing memory."""
        default = Config()
        return None if (self.video, self.qr) == (default.video, default.qr) else self

    def logging_level(self) -> int:
        return LEVELS[self.log_level]


def rules() -> dict[str, Rule]:
    """Every key, dotted, and its rule."""
    return dict(_rules())


def _rules() -> Iterator[tuple[str, Rule]]:
    for outer in fields(Config):
        if "rule" in outer.metadata:
            yield outer.name, outer.metadata["rule"]
            continue
        for inner in fields(outer.default_factory):  # type: ignore[arg-type]
            yield f"{outer.name}.{inner.name}", inner.metadata["rule"]


def variables() -> dict[str, str]:
    """Every environment variable that sets a key: its name -> the dotted key."""
    named = {f"MEMVID_{key.replace('.', '_').upper()}": key for key in rules()}
    return named | {"MEMVID_EMBEDDING_MODEL": "embeddings.model_name"}


ALIASES = {"embeddings.model_revision": "embeddings.revision"}
SECTIONS = tuple(f.name for f in fields(Config) if "rule" not in f.metadata)


class _Given:
    """The values that were set somewhere, so that the cross checks know a choice from a default."""

    def __init__(self) -> None:
        self.rules = rules()
        self.values: dict[str, Any] = {}
        self.origin: dict[str, str] = {}

    def take(self, key: str, value: Any, origin: str) -> None:
        key = ALIASES.get(key, key)
        if key not in self.rules:
            raise UsageError(f"{origin}: unknown key {key!r}{_hint(key, self.rules)}")
        rule = self.rules[key]
        try:
            self.values[key] = rule(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise UsageError(f"{origin}: {key} = {_said(value)} is not {rule.allowed}") from error
        self.origin[key] = origin

    def take_file(self, path: str | Path | None) -> None:
        if path is None and not Path(DEFAULT_FILE).is_file():
            return
        path = Path(path or DEFAULT_FILE)
        try:
            table = tomllib.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise UsageError(f"cannot read the settings in {path}: {error.strerror}") from error
        except ValueError as error:  # UnicodeDecodeError, TOMLDecodeError
            raise UsageError(f"{path} is not valid TOML: {error}") from error
        except RecursionError as error:
            raise UsageError(f"{path} is not a file of settings: it is nested too deeply") from error
        self.take_table(table, str(path))

    def take_table(self, table: Mapping[str, Any], origin: str) -> None:
        for name, value in table.items():
            if name not in SECTIONS:
                self.take_top(name, value, origin)
            elif not isinstance(value, Mapping):
                raise UsageError(f"{origin}: {name} = {value!r} is not a section; write [{name}] above its keys")
            else:
                for key, inner in value.items():
                    self.take(f"{name}.{key}", inner, origin)

    def take_top(self, name: str, value: Any, origin: str) -> None:
        if isinstance(value, Mapping):
            raise UsageError(f"{origin}: unknown section [{name}]{_hint(name, SECTIONS)}")
        self.take(name, value, origin)

    def take_environment(self, env: Mapping[str, str]) -> None:
        """An empty variable counts as not set; MEMVID_EMBEDDING_MODEL wins over its longer name."""
        known = variables()
        for name in sorted(set(env) & set(known), key=lambda name: name == "MEMVID_EMBEDDING_MODEL"):
            if env[name] != "":
                self.take(known[name], env[name], name)
        prefixes = tuple(f"MEMVID_{section.upper()}_" for section in SECTIONS)
        for name in sorted(set(env) - set(known)):
            if name.startswith(prefixes):
                raise UsageError(f"unknown variable {name}{_hint(name, known)}")

    def config(self) -> Config:
        config = Config()
        for key, value in self.values.items():
            *section, name = key.split(".")
            setattr(getattr(config, section[0]) if section else config, name, value)
        for low, high in ORDERED + ORDERED:  # twice: what followed may push another
            self._order(config, low, high)
        return config

    def _order(self, config: Config, low: str, high: str) -> None:
        """Keeps `low` <= `high`: a default follows the value that was chosen; two choices must agree."""
        smaller, larger = _get(config, low), _get(config, high)
        if smaller <= larger:
            return
        if low in self.values and high in self.values:
            raise UsageError(
                f"{self.origin[low]}: {low} = {smaller} is more than {high} = {larger} ({self.origin[high]})"
            )
        follower, leader = (high, low) if low in self.values else (low, high)
        section, name = follower.split(".")
        self.values[follower] = _get(config, leader)
        self.origin[follower] = self.origin[leader]
        setattr(getattr(config, section), name, self.values[follower])


# Pairs in which the first may not be more than the second.
ORDERED = (
    ("text.min_chunk_size", "text.chunk_size"),
    ("text.overlap", "text.chunk_size"),
    ("text.chunk_size", "text.max_chunk_size"),
    ("search.default_top_k", "search.max_top_k"),
    ("folder.min_file_size", "folder.max_file_size"),
)


def _changes(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in values.items() if value != defaults[key]}
    return {
        key: _changes(value, defaults[key]) if isinstance(value, Mapping) else value for key, value in changed.items()
    }


def _get(config: Config, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(config, section), name)


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _hint(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    if not close and "." in name:
        section = [key for key in known if key.startswith(name.split(".")[0] + ".")]
        close = difflib.get_close_matches(name.split(".")[1], [k.split(".")[1] for k in section], 1)
    return f"; did you mean {close[0]!r}?" if close else ""
