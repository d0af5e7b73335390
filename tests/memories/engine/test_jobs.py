"""Jobs outlive who started them: seen from other processes, interrupted by a kill, resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memories.engine.config import Config
from memories.engine.errors import Locked, MemvidError, NotFound
from memories.engine.jobs import JobStore, get_indexing_status, submit_background_indexing, wait_for_indexing

DEADLINE = 180  # seconds, on a machine that does other things too

# A worker whose work is to say that it began, and to end when a line arrives in the pipe.
WORKER = """
import sys
from pathlib import Path
from memories.engine.jobs import JobStore

def build(job, progress):
    progress(1, 2, "")
    order = Path(job.video).with_suffix(".order")
    if order.exists():
        with open(order) as pipe:
            if pipe.readline() != "go":
                raise RuntimeError("was told to fail")
    return ["a note"]

JobStore().run(sys.argv[1], build, int(sys.argv[3]))
"""


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "m.mp4"
    path.touch()
    return path


@pytest.fixture
def order(video) -> Path:
    """Makes the worker wait: it ends when "go" is written here."""
    os.mkfifo(video.with_suffix(".order"))
    return video.with_suffix(".order")


@pytest.fixture
def store(tmp_path, monkeypatch) -> JobStore:
    monkeypatch.setenv("MEMVID_HOME", str(tmp_path / "home"))
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return JobStore(command=[sys.executable, str(script)])


def until(store: JobStore, job_id: str, state: str, progress: float = 0.0):
    end = time.monotonic() + DEADLINE
    while (job := store.get(job_id)).state != state or job.progress < progress:
        assert time.monotonic() < end, f"{job} never became {state}"
    return job


def kill(store: JobStore, job_id: str) -> None:
    """As `kill -9` from outside, by the number of the process that this test started."""
    child = store._children[-1]
    assert job_id in child.args
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def test_a_job_runs_to_its_end(store, video):
    job = store.wait(store.submit(video, "i.json").id, DEADLINE)
    assert (job.state, job.progress, job.error, job.notes) == ("done", 1.0, None, ("a note",))
    assert job.video == str(video)
    assert job.index == str(Path("i.json").resolve())
    assert job.duration_seconds > 0


def test_another_process_sees_it(store, video, order):
    job_id = store.submit(video).id
    until(store, job_id, "running", 0.5)
    ask = "import sys; from memories.engine.jobs import *; print(get_indexing_status(sys.argv[1]))"
    seen = subprocess.run([sys.executable, "-c", ask, job_id], capture_output=True, text=True, check=True)
    assert "state='running', progress=0.5" in seen.stdout
    order.write_text("go")
    assert store.wait(job_id, DEADLINE).state == "done"


def test_it_outlives_the_process_that_started_it(store, video, order):
    start = (
        "import sys; from memories.engine.jobs import JobStore;"
        "print(JobStore(command=sys.argv[2:]).submit(sys.argv[1]).id)"
    )
    words = [sys.executable, "-c", start, str(video), *store.command]
    job_id = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    until(store, job_id, "running", 0.5)
    order.write_text("go")
    assert store.wait(job_id, DEADLINE).state == "done"


def test_killed_it_is_interrupted_and_resumes(store, video, order):
    job_id = store.submit(video).id
    until(store, job_id, "running", 0.5)
    kill(store, job_id)
    assert store.get(job_id).state == "interrupted"
    assert [job.state for job in store.jobs()] == ["interrupted"]

    order.unlink()
    told = []
    assert store.wait(job_id, DEADLINE, resumed=told.append).state == "done"
    assert [job.id for job in told] == [job_id]


def test_killed_before_it_began_it_is_interrupted_too(store, video, tmp_path):
    store.command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    job_id = store.submit(video).id
    store._children[-1].wait()
    assert store.get(job_id).state == "interrupted"


def test_interrupted_again_it_is_given_up(store, video):
    store.command = [sys.executable, "-c", ""]
    job_id = store.submit(video).id
    with pytest.raises(MemvidError, match=rf"{job_id} was interrupted again; see .*{job_id}.log"):
        store.wait(job_id, DEADLINE)


def test_what_goes_wrong_is_kept(store, video, order):
    job_id = store.submit(video).id
    order.write_text("stop")
    job = store.wait(job_id, DEADLINE)
    assert (job.state, job.error, job.progress) == ("failed", "RuntimeError: was told to fail", 0.5)
    assert "Traceback" in store.log(job_id).read_text()


def test_a_failed_job_can_be_resumed(store, video, order):
    job_id = store.submit(video).id
    order.write_text("stop")
    assert store.wait(job_id, DEADLINE).state == "failed"
    order.unlink()
    assert store.resume(job_id).error is None
    assert store.wait(job_id, DEADLINE).state == "done"


def test_waiting_ends_at_the_timeout(store, video, order):
    job_id = store.submit(video).id
    until(store, job_id, "running", 0.5)
    with pytest.raises(MemvidError, match=rf"{job_id} is still running \(50%\) after 0 s"):
        store.wait(job_id, 0)
    order.write_text("go")
    store.wait(job_id, DEADLINE)


def test_a_running_job_has_one_worker(store, video, order):
    job_id = store.submit(video).id
    until(store, job_id, "running")
    assert store.resume(job_id).state == "running"
    assert len(store._children) == 1
    with pytest.raises(Locked, match="is running already"):
        store.run(job_id, lambda job, progress: [])
    order.write_text("go")
    store.wait(job_id, DEADLINE)


def test_jobs_on_one_memory_run_one_after_the_other(store, video, order):
    first = store.submit(video).id
    until(store, first, "running", 0.5)
    second = store.submit(video).id
    assert store.get(second).state == "queued"
    order.write_text("go")
    store.wait(first, DEADLINE)
    until(store, second, "running", 0.5)
    order.write_text("go")
    assert store.wait(second, DEADLINE).state == "done"
    assert [job.id for job in store.jobs()] == [first, second]


def test_the_worker_gets_the_settings_of_who_asked(store, video):
    config = Config()
    config.embeddings.batch_size = 3
    job = store.submit(video, config=config)
    assert Config.from_dict(store.get(job.id).settings).embeddings.batch_size == 3
    store.wait(job.id, DEADLINE)


@pytest.mark.parametrize("job_id", ["idx_nothere", "../../etc/passwd", "", "idx_\n"])
def test_an_unknown_job(store, job_id):
    with pytest.raises(NotFound, match="no such job"):
        store.get(job_id)


def test_no_memory_no_job(store, tmp_path):
    with pytest.raises(NotFound, match=r"no such memory: .*gone\.mp4"):
        store.submit(tmp_path / "gone.mp4")


def test_a_record_that_cannot_be_read_does_not_hide_the_others(store, video):
    job = store.wait(store.submit(video).id, DEADLINE)
    record = json.loads((store.folder / f"{job.id}.json").read_text())
    odd = [{"progress": "x"}, {"video": None}, {"state": "odd"}, {"created": "soon"}, {"started": None}, {"id": "x"}]
    texts = ['{"id": "idx_bro', "null", "[" * 100_000, *(json.dumps(record | {"id": "idx_o"} | one) for one in odd)]
    for number, text in enumerate(texts):
        text = text.replace("idx_o", f"idx_o{number}")
        (store.folder / f"idx_o{number}.json").write_text(text)
    (store.folder / "idx_folder.json").mkdir()
    (store.folder / "idx_NAME.json").write_text("{}")
    jobs, bad = store.survey()
    assert jobs == store.jobs() == [job] and len(bad) == len(texts) + 2
    assert all(any(f"idx_o{number}" in note for note in bad) for number in range(len(texts)))
    assert store.wait(store.submit(video).id, DEADLINE).state == "done"


def test_a_folder_that_no_job_can_be_kept_in_is_named(video, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(MemvidError, match="set MEMVID_HOME"):
        JobStore(tmp_path / "home").submit(video)


def test_old_finished_jobs_are_cleared_away(store, video):
    old = store.wait(store.submit(video).id, DEADLINE)
    record = store.folder / f"{old.id}.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"finished": "2020-01-01T00:00:00+00:00"}))
    new = store.submit(video)
    assert [job.id for job in store.jobs()] == [new.id]
    assert not store.log(old.id).exists()
    store.wait(new.id, DEADLINE)


def test_the_functions_of_the_library(store, video, monkeypatch):
    monkeypatch.setattr("memories.engine.jobs.worker_command", lambda: store.command)
    job_id = submit_background_indexing(video)
    status = wait_for_indexing(job_id, DEADLINE)
    assert status.state == "done"
    assert status == get_indexing_status(job_id)
