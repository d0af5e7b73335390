"""A pytest plugin: real PostgreSQL and Valkey for the run, up before pytest-django reads the settings."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from memvid_site.stores import Postgres, Valkey

FOLDER = Path(tempfile.mkdtemp(prefix="memvid-test-"))
FOLDER.chmod(0o755)  # as root, PostgreSQL runs as another user
os.environ["MEMVID_DATA_DIR"] = str(FOLDER)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # for the processes that tests start, too
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's synchronous API runs an event loop in this thread
_started: list[Postgres | Valkey] = []


def _start(variable: str, store: type) -> None:
    if not os.environ.get(variable):
        _started.append(store(FOLDER))
        os.environ[variable] = _started[-1].start()


_start("DATABASE_URL", Postgres)
_start("REDIS_URL", Valkey)


def pytest_unconfigure(config: pytest.Config) -> None:
    for store in reversed(_started):
        store.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
