"""`memvid`: finds the command, reads the settings, runs it, and turns what goes wrong into one line."""

import argparse
import contextlib
import difflib
import importlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from memories.cli.output import Output, forget_stdout, line
from memories.cli.signals import stoppable
from memories.engine.config import LEVELS, Config
from memories.engine.errors import MemvidError, UsageError

# Command -> (module, what it does). The module has `<command>_arguments(parser)` and
# `<command>(args, config, out) -> exit code`; only the module that is needed is loaded.
COMMANDS = {
    "encode": ("store", "make a memory from files, folders and texts"),
    "append": ("store", "add files, folders and texts to a memory"),
    "remove": ("change", "delete documents; the history keeps their text"),
    "erase": ("change", "write a new memory without the named documents in any commit"),
    "merge": ("change", "write a new memory with the contents of several"),
    "repair": ("change", "write a new memory from what can still be read"),
    "vacuum": ("change", "write a new memory with the present state only"),
    "search": ("find", "search by meaning and by words"),
    "multi-search": ("multi", "search in several memories, compare what they say, see it over time"),
    "chat": ("chat", "ask questions; every answer cites its passages"),
    "info": ("look", "show what a memory holds"),
    "history": ("look", "list the commits of a memory"),
    "verify": ("look", "read every frame and check everything"),
    "diff": ("compare", "show what changed between two memories"),
    "extract": ("take", "write one frame as a picture or as text"),
    "export": ("take", "write the documents into a folder"),
    "index": ("indexing", "build what search needs"),
    "index-jobs": ("indexing", "list background jobs"),
    "index-status": ("indexing", "show one background job"),
    "index-wait": ("indexing", "wait for a background job; an interrupted one is resumed"),
    "index-run": ("indexing", "do the work of a background job"),
}
INTERNAL = ("index-run",)
READ_INDEX = ("search", "info")  # the others write the sidecar
FAILURE, USAGE, PIPE_CLOSED = 1, 2, 141
NAMES_OF_MEMORIES = ("memory", "video", "output", "memories", "videos")  # the arguments that are one, or several

# Flags that stand for a setting.
SETTINGS = {
    "log_level": "log_level",
    "codec": "video.default_codec",
    "profile": "video.profile",
    "chunk_size": "text.chunk_size",
    "overlap": "text.overlap",
    "max_depth": "folder.max_depth",
    "include_extensions": "folder.include_extensions",
    "exclude_extensions": "folder.exclude_extensions",
    "include_hidden": "folder.include_hidden",
    "follow_symlinks": "folder.follow_symlinks",
    "max_file_size": "folder.max_file_size",
    "max_original": "folder.max_original",
    "rerank_model": "rerank.model",
}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help shows how)")


def main(argv: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a test's stand-in
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        _hold_descriptors()
        code = _run(list(sys.argv[1:] if argv is None else argv))
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt as error:
        return _failed(str(error) or "interrupted", 128 + getattr(error, "number", signal.SIGINT))
    except UsageError as error:
        return _failed(error, USAGE)
    except MemvidError as error:
        return _failed(error, FAILURE)
    except OSError as error:
        return _failed(_spoken(error), FAILURE)
    except Exception as error:
        logging.getLogger("memories.cli").debug("unexpected", exc_info=True)
        return _failed(f"unexpected {type(error).__name__}: {error}", FAILURE)
    return code


def _hold_descriptors() -> None:
    """A closed 0, 1 or 2 would be the next file that is opened, and what libraries print would go into a memory."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(lowest)


def parser(name: str, module: ModuleType | None = None) -> Parser:
    """The parser of one command, with the options every command has."""
    made = Parser(prog=f"memvid {name}", description=COMMANDS[name][1], allow_abbrev=False)
    getattr(module or _module(name), f"{_function(name)}_arguments")(made)
    shared = made.add_argument_group("every command")
    shared.add_argument("--json", action="store_true", help="print exactly one JSON document")
    shared.add_argument("--config", metavar="FILE", help="settings instead of ./memvid.toml")
    shared.add_argument("--log-level", choices=tuple(LEVELS), help="debug shows what goes on")
    return made


def _run(argv: list[str]) -> int:
    name, rest = _command(argv)
    if name is None:
        return _without_command(rest)
    module = _module(name)
    args = _parse(parser(name, module), _with_wait(rest))
    _check_index(name, args)
    # A job brings the settings of who started it.
    config = Config() if name in INTERNAL else Config.load(args.config, overrides=_overrides(args))
    _start_logging(config)
    with stoppable():
        return getattr(module, _function(name))(args, config, Output(args.json))


def _command(argv: list[str]) -> tuple[str | None, list[str]]:
    """The first word that is no option; options may stand before it."""
    for index, word in enumerate(argv):
        after_value = index > 0 and argv[index - 1] in ("--config", "--log-level")
        if not word.startswith("-") and not after_value:
            return _known(word), argv[:index] + argv[index + 1 :]
    return None, argv


def _known(name: str) -> str:
    if name in COMMANDS:
        return name
    close = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {close[0]!r}?" if close else "memvid --help lists them"
    raise UsageError(f"unknown command {name!r}; {hint}")


def _without_command(options: list[str]) -> int:
    if {"-h", "--help"} & set(options):
        print(_overview())
        return 0
    if "--version" in options:
        print(f"memvid {_version()}")
        return 0
    raise UsageError("which command? memvid --help lists them")


def _overview() -> str:
    lines = ["usage: memvid COMMAND ...   (memvid COMMAND --help shows its options)", ""]
    lines += [f"  {name:<14}{text}" for name, (_, text) in COMMANDS.items() if name not in INTERNAL]
    lines += ["", "every command: --json  --config FILE  --log-level LEVEL;  memvid --version"]
    return "\n".join(lines)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("memvid-workspace")
    except PackageNotFoundError:
        return "(not installed)"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"memories.cli.{COMMANDS[name][0]}")


def _function(name: str) -> str:
    return name.replace("-", "_")


def _parse(made: Parser, words: list[str]) -> argparse.Namespace:
    """Positionals may stand anywhere; after `--` everything is one, whatever it begins with."""
    if "--" not in words:
        return made.parse_intermixed_args(words)
    return made.parse_args(words)


def _with_wait(words: list[str]) -> list[str]:
    """`--wait` takes the next word only if that is a number of seconds."""
    result = []
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        result.append("--wait=inf" if word == "--wait" and not _is_number(following) else word)
    return result


def _is_number(word: str) -> bool:
    """A number that makes no sense as a time is one too: `--wait` then says so."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_index(name: str, args: argparse.Namespace) -> None:
    """A sidecar is replaced: asked before anything is stored, and before a pipe is waited for."""
    index = getattr(args, "index", None)
    if not index or not os.path.exists(index):
        return
    if not os.path.isfile(index):
        raise UsageError(f"-i {index}: that is no file")
    if any(os.path.exists(memory) and os.path.samefile(index, memory) for memory in _memories(args)):
        raise UsageError(f"-i {index} is a memory of this call: the index needs a name of its own")
    if name not in READ_INDEX:
        from search.engine.sidecar import check_replaceable

        check_replaceable(Path(index))


def _memories(args: argparse.Namespace) -> Iterator[str]:
    for key in NAMES_OF_MEMORIES:
        given = getattr(args, key, None) or []
        for name in [given] if isinstance(given, str) else given:
            yield from {name, *name.split(",")}


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    return {key: getattr(args, flag, None) for flag, key in SETTINGS.items()}


def _start_logging(config: Config) -> None:
    """Our own loggers only; what libraries have to say is shown with `debug`."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("memvid: %(message)s"))
    for name in ("memories", "search"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(config.logging_level())
    if config.logging_level() > logging.DEBUG:
        warnings.simplefilter("ignore")


def _failed(message: object, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"memvid: {line(message)}", file=sys.stderr)
    return code


def _spoken(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename is not None else reason
