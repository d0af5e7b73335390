"""index and its jobs, as the command shows them."""

import os
import signal
import sys
from pathlib import Path

import pytest

from memories.engine.config import Config
from memories.engine.jobs import JobStore

# A worker that reports half its work, says that it is there, and then waits to be killed.
STUCK = """
import sys
from pathlib import Path
from memories.engine.jobs import JobStore

def build(job, progress):
    progress(1, 2, "")
    open(Path(job.video).with_suffix(".began"), "w").close()
    sys.stdin = open(Path(job.video).with_suffix(".order"))

JobStore().run(sys.argv[1], build, int(sys.argv[3]))
"""


@pytest.fixture
def interrupted(memory) -> str:
    """A job on m.mp4 that was killed with -9 in the middle."""
    Path("stuck.py").write_text(STUCK)
    for name in ("m.began", "m.order"):
        os.mkfifo(name)
    config = Config()
    config.embeddings.model_name = "nowhere/no-model"
    store = JobStore(command=[sys.executable, str(Path("stuck.py").resolve())])
    job = store.submit(memory, "m.json", config)
    with open("m.began"):  # opens when the worker does
        os.kill(store._children[0].pid, signal.SIGKILL)
    store._children[0].wait()
    return job.id


def test_a_killed_job_shows_as_interrupted(memvid, interrupted):
    jobs = memvid("index-jobs --json").json["jobs"]
    assert [(job["id"], job["state"], job["progress"]) for job in jobs] == [(interrupted, "interrupted", 0.5)]
    assert {"id", "state", "progress", "video"} < set(jobs[0])
    assert jobs[0]["video"] == str(Path("m.mp4").resolve())
    out = memvid(f"index-status {interrupted}").out
    assert out.startswith(f"{interrupted} interrupted (50%)")
    assert f"memvid index-wait {interrupted} resumes it" in out


def test_waiting_for_it_resumes_it(memvid, interrupted):
    ran = memvid(f"index-wait {interrupted} --timeout 60")
    assert ran.err == f"memvid: {interrupted} was interrupted; resumed\n"
    assert ran.out.startswith(f"{interrupted} done in ")
    assert Path("m.json").exists()
    info = memvid("info m.mp4 --json").json
    assert info["indexed_chunks"] == info["chunks"] > 0


def test_all_of_them_can_be_resumed(memvid, interrupted):
    ran = memvid("index-jobs --resume")
    assert ran.err == f"memvid: resumed {interrupted}\n"
    assert memvid(f"index-wait {interrupted} --timeout 60 --json").json["state"] == "done"


def test_a_job_that_fails_is_exit_1_and_says_why(memvid, memory):
    Path("bad.mp4").write_text("no video")
    job = JobStore().submit("bad.mp4").id
    ran = memvid(f"index-wait {job} --timeout 60", code=1)
    assert ran.out.startswith(f"{job} failed: ")
    assert ran.err.startswith("memvid: ")
    assert ran.err.count("\n") == 1
    assert memvid(f"index-status {job} --json").json["error"]


def test_a_timeout_is_exit_1(memvid, interrupted, monkeypatch):
    monkeypatch.setattr(JobStore, "resume", lambda self, job_id: self.get(job_id))
    ran = memvid(f"index-wait {interrupted} --timeout 0", code=1)
    assert f"{interrupted} is still interrupted (50%) after 0 s" in ran.err


def test_index_covers_every_chunk_and_says_what_it_used(memvid, memory):
    ran = memvid("index m.mp4 -i m.json --json")
    assert ran.json["state"] == "done"
    assert ran.json["chunks"] == memvid("info m.mp4 --json").json["chunks"]
    assert ran.json["model"] is None
    assert "keyword search only" in ran.json["notes"][0]
    assert Path("m.json").exists()


def test_indexing_does_not_change_the_history(memvid, memory):
    before = memvid("history m.mp4 --json").json
    memvid("index m.mp4")
    assert memvid("history m.mp4 --json").json == before
    assert memvid("verify m.mp4 --json").json["ok"]


def test_a_record_that_is_no_job_is_skipped_and_named(memvid, memory):
    bad = Path(JobStore().folder, "idx_bad.json")
    bad.mkdir(parents=True)
    assert str(bad) in memvid("index-jobs").err
    assert memvid("append new_docs --video m.mp4 --background-index --json").json["indexing"]["job"]


@pytest.mark.parametrize("how", ["-i gone/x.json", "--background-index"])
def test_a_commit_whose_index_fails_is_stored_and_says_so(memvid, memory, monkeypatch, how):
    monkeypatch.setenv("MEMVID_HOME", "documents/code.py")
    ran = memvid(f"append new_docs --video m.mp4 --json {how}", code=1)
    assert ran.json["commit"] == 2 and ran.json["indexing"]["state"] == "failed"
    assert ran.err.count("\n") == 1 and "m.mp4 is stored and whole, only its index is not" in ran.err
    assert "`memvid index m.mp4` goes on" in ran.err
    assert memvid("verify m.mp4 --json").json["ok"]


def test_with_no_jobs(memvid):
    assert memvid("index-jobs").out == "no jobs\n"
