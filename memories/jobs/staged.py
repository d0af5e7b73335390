"""The files of an upload, read where they lie: as a folder is read by the command, with the same reasons to leave
something out. Where they lie is nobody's business: it is in no path, reason or metadata."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import staging
from ..engine.changes import check_path
from ..engine.config import Config
from ..engine.errors import IngestError
from ..engine.gather import folder_settings, split_settings
from ..engine.ingest import read_source, walk
from ..engine.ingest.textfile import shown
from ..engine.model import Source
from ..models import Job, JobFile
from .writing import FULL, is_full

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
TREE, READING = ".tree", ".reading"
GONE = "the uploaded file is no longer on the server: upload it again"
STOPPED_TWICE = "the program that reads it stopped twice in the middle: the file is damaged, or asks for too much"


class Staged:
    """`left_out` and `failed` say why, by path, once `sources` has been drawn. `hopeless` are those that failed by what
    they hold: the same bytes would fail again."""

    def __init__(self, job: Job, files: Iterable[JobFile]):
        self._folder = staging.folder_of(job.pk)
        self._tree = self._folder / TREE
        self._files = {file.path: file for file in files}
        self._config = Config()
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.hopeless: set[str] = set()

    def __enter__(self) -> "Staged":
        """Lays the files out in their folders, by links, so that the rules for folders can look at them."""
        self._drop_tree()
        self._folder.mkdir(parents=True, exist_ok=True)
        suspects = self._suspects()
        for path, file in self._files.items():
            if path in suspects:
                self._give_up(path, STOPPED_TWICE)
                continue
            try:
                check_path(path)
                self._link(path, file)
            except IngestError as error:
                self._give_up(path, str(error))
            except FileNotFoundError:
                self.failed[path] = GONE
            except OSError as error:
                if is_full(error):
                    raise
                self.failed[path] = f"its name cannot be used here: {error.strerror}"
        return self

    def _give_up(self, path: str, reason: str) -> None:
        self.failed[path] = reason
        self.hopeless.add(path)

    def __exit__(self, *_: object) -> None:
        self._drop_tree()

    def _drop_tree(self) -> None:
        shutil.rmtree(self._tree, ignore_errors=True)

    def _link(self, path: str, file: JobFile) -> None:
        if not file.staged:
            raise FileNotFoundError
        target = self._tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = self._folder / os.path.basename(file.staged)
        try:
            os.link(staged, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            shutil.copyfile(staged, target)

    def sources(self) -> Iterator[Source]:
        """Opens one file at a time; those that cannot be read fail alone."""
        split, limit = split_settings(self._config), self._config.folder.max_original
        for path, name in self._found():
            self._note_reading(name)
            try:
                yield read_source(path, name, split, max_original=limit)
            except IngestError as error:
                self._give_up(name, self.public(str(error)))
            except OSError as error:
                self.failed[name] = FULL if is_full(error) else error.strerror or "it cannot be read"
        self._note_reading("")

    def _found(self) -> Iterator[tuple[Path, str]]:
        if not self._tree.is_dir():
            return
        settings = folder_settings(self._config.folder)
        for root in sorted(self._tree.iterdir()):
            for found in walk(root, settings):
                if found.name in self._files and not found.skip:
                    yield found.path, found.name
                elif found.skip:
                    self._leave_out(found.name, found.skip, self.failed if found.error else self.left_out)

    def _leave_out(self, name: str, reason: str, where: dict[str, str]) -> None:
        """A folder that is left out takes all that is below it along."""
        for path in self._files:
            if (path == name or path.startswith(name + "/")) and path not in self.failed:
                where[path] = self.public(reason)

    def public(self, reason: str) -> str:
        for place in (self._tree, self._folder):
            for text in (shown(place), str(place)):
                reason = reason.replace(text + "/", "")
        return reason

    # -- a file that ends the process that reads it fails alone, and does not take the others along

    def _note_reading(self, name: str) -> None:
        (self._folder / READING).write_text("\n".join([*self._before, name]), "utf-8")

    def _suspects(self) -> set[str]:
        """Files that were being read when a worker stopped, for the second time."""
        try:
            noted = (self._folder / READING).read_text("utf-8").split("\n")
        except FileNotFoundError:
            noted = []
        self._before = [name for name in noted if name]
        return {name for name in self._before if self._before.count(name) > 1}


def drop(job: Job) -> None:
    """What needs no retry, or has nothing to hope for from one, leaves the disk; what else failed stays for a while."""
    kept = set(job.files.filter(state=JobFile.State.FAILED).exclude(staged="").values_list("staged", flat=True))
    for path in staging.folder_of(job.pk).glob("*"):
        if path.name not in kept and path.is_file():
            staging.drop(job.pk, path.name)
    job.files.exclude(state=JobFile.State.FAILED).exclude(staged="").update(staged="")
    if not kept:
        staging.drop_all(job.pk)
