"""New files appear whole or not at all, side by side with whatever else is in the folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from memories.engine.errors import MemvidError
from memories.engine.publishing import building, temporary_beside, writing


def test_two_runs_and_a_file_of_the_user_do_not_meet(tmp_path):
    out, own = tmp_path / "m.mp4", tmp_path / ".m.mp4.partial"
    own.write_text("mine")
    with pytest.raises(MemvidError, match="exists already"), building(out) as late:
        with building(out) as early:
            late.write_text("late")
            early.write_text("early")
        assert late.read_text() == "late"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"m.mp4": "early", own.name: "mine"}


def test_what_a_dead_process_left_is_cleared_away_and_what_a_living_one_holds_is_not(tmp_path):
    out = tmp_path / "m.mp4"
    code = f"""
import os, signal
from pathlib import Path
from memories.engine.publishing import building, temporary_beside
temporary_beside(Path({str(out)!r}))
with building(Path({str(out)!r})) as place:
    place.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == -signal.SIGKILL
    left = set(os.listdir(tmp_path))
    assert len(left) == 2
    descriptor, held = temporary_beside(out)
    with building(out) as place:
        place.write_text("whole")
        assert Path(held).exists() and left.isdisjoint(os.listdir(tmp_path))
    os.close(descriptor)
    assert sorted(os.listdir(tmp_path)) == sorted([Path(held).name, "m.mp4"])


def test_a_failure_leaves_nothing_and_a_long_name_is_no_failure(tmp_path):
    path = tmp_path / ("🐳" * 63)
    with pytest.raises(ValueError), writing(path) as file:
        file.write(b"half")
        raise ValueError
    assert not os.listdir(tmp_path)
    with writing(path) as file:
        file.write(b"whole")
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
