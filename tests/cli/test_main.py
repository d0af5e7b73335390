"""What holds for every command: one line for an error, exit codes, one JSON document, a quick start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from memories.cli import main as cli
from memories.cli.main import COMMANDS, INTERNAL, parser

USED = [name for name in COMMANDS if name not in INTERNAL]


def one_line(text: str) -> bool:
    return text.startswith("memvid: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "which command?"),
        ("encod docs", "unknown command 'encod'; did you mean 'encode'?"),
        ("encode docs --bogus", "unrecognized arguments: --bogus"),
        ("encode docs --chunk-size many -o x.mp4", "invalid int value: 'many'"),
        ("encode documents -o x.mp4 --chunk-size 0", "text.chunk_size = 0 is not a whole number from 1"),
        ("encode documents -o x.mp4 -c xvid", "video.default_codec = 'xvid' is not one of av1"),
        ("encode documents -o x.mp4 --profile tiny", "video.profile = 'tiny' is not one of compact"),
        ("encode documents", "where to?"),
        ("encode -o x.mp4", "nothing to store: name files, folders or --text"),
        ("encode '' -o x.mp4", "an empty name is no file or folder"),
        ("export documents/code.py ''", "an empty name is no folder"),
        ("encode documents -o x.mp4 --max-file-size inf", "invalid megabytes value: 'inf'"),
        ("remove documents/code.py x --wait nan", "invalid seconds value: 'nan'"),
        ("info documents/code.py -i documents", "-i documents: that is no file"),
        ("encode documents -o x.mp4 --no-index --background-index", "not allowed with"),
        ("encode --dirs new_docs/more.txt -o x.mp4", "that is a file; use --files"),
        ("append documents", "required: -v/--video"),
        ("info", "name one memory"),
        ("info a.mp4 --video b.mp4", "two memories named: a.mp4 and b.mp4"),
        ("search -v m.mp4", "required: -q/--query"),
        ("search -v '' -q x", "an empty name is no memory"),
        ("search -v m.mp4 -q x --mode fuzzy", "invalid choice: 'fuzzy'"),
        ("extract m.mp4 --frame 0 -o frame.gif", "must end in .png"),
        ("index-wait idx_1 --timeout soon", "invalid seconds value: 'soon'"),
        ("info m.mp4 --config gone.toml", "cannot read the settings in gone.toml"),
        ("info m.mp4 --log-level loud", "invalid choice: 'loud'"),
        ("encode documents -o x.mp4 --max-file-size inf", "invalid megabytes value: 'inf'"),
        ("encode documents -o x.mp4 --max-original 1e308", "invalid megabytes value: '1e308'"),
        ("index-wait idx_1 --timeout nan", "invalid seconds value: 'nan'"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(memvid, line, said):
    ran = memvid(line, code=2)
    assert one_line(ran.err)
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("encode gone -o x.mp4", "gone: no such file or folder"),
        ("encode documents -o gone/x.mp4", "gone: no such folder"),
        ("append documents --video gone.mp4", "no such memory: gone.mp4"),
        ("search -v gone.mp4 -q x", "no such memory: gone.mp4"),
        ("info documents", "documents is a folder, not a memory"),
        ("info documents/code.py", "documents/code.py"),
        ("search -v documents/code.py -q x", "documents/code.py"),
        ("verify documents/code.py", "documents/code.py"),
        ("export documents/code.py out", "documents/code.py"),
        ("repair documents/code.py -o x.mp4", "documents/code.py"),
        ("info /dev/zero", "/dev/zero is not a file"),
        ("merge documents/code.py documents/whale.md -o x.mp4", "documents/"),
        ("index-status idx_none", "no such job: idx_none"),
        ("index-status ../../etc", "no such job: '../../etc'"),
        ("index-wait idx_none", "no such job"),
    ],
)
def test_a_failure_is_one_line_and_exit_1(memvid, here, line, said):
    ran = memvid(line, code=1)
    assert one_line(ran.err)
    assert said in ran.err
    assert ran.out == ""
    assert not (here / "x.mp4").exists()


def test_an_unexpected_failure_is_one_line_too(memvid, monkeypatch):
    def fail(job_id):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("memories.engine.jobs.JobStore.get", lambda self, job_id: fail(job_id))
    assert memvid("index-status idx_1", code=1).err == "memvid: unexpected RuntimeError: first\\nsecond\n"
    assert "Traceback" in memvid("index-status idx_1 --log-level debug", code=1).err


def test_a_system_error_names_the_file(memvid, monkeypatch):
    def fail(self, job_id):
        raise OSError(28, "No space left on device", "m.mp4")

    monkeypatch.setattr("memories.engine.jobs.JobStore.get", fail)
    assert memvid("index-status idx_1", code=1).err == "memvid: m.mp4: No space left on device\n"


def test_control_characters_do_not_reach_the_terminal(memvid):
    ran = memvid("info", "bad\nname\x1b[31m.mp4", code=1)
    assert ran.err == "memvid: no such memory: bad\\nname\\x1b[31m.mp4\n"


@pytest.mark.parametrize("name", USED)
def test_every_command_explains_itself(memvid, capsys, name):
    with pytest.raises(SystemExit) as caught:
        parser(name).parse_args(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: memvid {name}" in text
    assert "--json" in text


def test_help_lists_the_commands(memvid):
    out = memvid("--help").out
    assert all(f"  {name} " in out for name in USED)
    assert not any(name in out for name in INTERNAL)


@pytest.mark.parametrize("line", ["--json index-jobs", "index-jobs --json", "--log-level error index-jobs --json"])
def test_shared_options_stand_before_or_after_the_command(memvid, line):
    assert memvid(line).json == {"jobs": [], "notes": []}


EVERY_JSON = {
    "encode": ("encode new_docs -o x.mp4", "outcomes"),
    "append": ("append --video m.mp4 new_docs", "outcomes"),
    "remove": ("remove m.mp4 documents/code.py", "removed"),
    "erase": ("erase m.mp4 documents/code.py -o e.mp4", "documents"),
    "merge": ("merge m.mp4 m2.mp4 -o x.mp4", "documents"),
    "repair": ("repair m.mp4 -o r.mp4", "documents"),
    "vacuum": ("vacuum m.mp4 -o v.mp4", "documents"),
    "search": ("search -v m.mp4 -q whale", "results"),
    "multi-search": ("multi-search whale m.mp4", "results"),
    "chat": ("chat m.mp4 -q whale", "answer"),
    "info": ("info m.mp4", "chunks"),
    "history": ("history m.mp4", "commits"),
    "verify": ("verify m.mp4", "ok"),
    "diff": ("diff m.mp4 m2.mp4", "summary"),
    "extract": ("extract m.mp4 --frame 0", "text"),
    "export": ("export m.mp4 out", "documents"),
    "index": ("index m.mp4", "chunks"),
    "index-jobs": ("index-jobs", "jobs"),
    "index-status": ("index-status JOB", "state"),
    "index-wait": ("index-wait JOB", "state"),
}


def test_the_table_has_every_command():
    assert set(EVERY_JSON) == set(USED)


OF_A_JOB = [name for name, (line, _) in EVERY_JSON.items() if "JOB" in line]


@pytest.mark.parametrize("name", [name for name in USED if name not in OF_A_JOB])
def test_every_command_has_one_json_document(memvid, memory, name):
    line, key = EVERY_JSON[name]
    if "m2.mp4" in line:
        memvid("encode new_docs -o m2.mp4 --no-index")
    assert key in memvid(f"{line} --json").json


def test_every_command_of_a_job_has_one_json_document(memvid, memory):
    job = memvid("encode new_docs -o b.mp4 --background-index --json").json["indexing"]["job"]
    memvid(f"index-wait {job}")
    for line, key in [EVERY_JSON[name] for name in OF_A_JOB]:
        assert key in memvid(f"{line.replace('JOB', job)} --json").json, line


def test_debug_says_more(memvid, memory):
    assert memvid("index m.mp4 --log-level debug").err.count("\n") > memvid("index m.mp4").err.count("\n")


def test_notes_are_silent_above_info(memvid, memory):
    assert "no-model" in memvid("index m.mp4").err
    ran = memvid("index m.mp4 --log-level error --json")
    assert ran.err == ""
    assert "no-model" in ran.json["notes"][0]


def test_help_loads_nothing_heavy():
    heavy = ["av", "numpy", "torch", "rich", "cv2", "zxingcpp", "sentence_transformers", "django"]
    ask = f"print([name for name in {heavy} if name in sys.modules])"
    code = f"import sys; from memories.cli.main import main; main(['--help']); {ask}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_is_a_line_and_130(memvid, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("memories.engine.jobs.JobStore.survey", interrupt)
    assert memvid("index-jobs", code=130).err == "memvid: interrupted\n"


def test_a_closed_pipe_is_quiet(here):
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "memories.cli", "index-jobs"]
    ran = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ran.stderr == ""
    assert ran.returncode == cli.PIPE_CLOSED == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">/dev/full", "No space left on device"), (">&-", "standard output is closed"), (">&- 2>&- <&-", "")],
)
def test_an_answer_that_cannot_be_printed_is_said_and_the_work_is_done(here, memvid, redirection, said):
    command = f'"{sys.executable}" -m memories.cli encode documents -o m.mp4 --no-index {redirection}'
    ran = subprocess.run(command, shell=True, check=False, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 1 and said in ran.stderr
    assert not said or (one_line(ran.stderr) and "the work is done" in ran.stderr)
    assert memvid("verify m.mp4 --json").json["ok"]


def test_words_after_two_dashes_are_names(memvid):
    assert "no such memory: --json" in memvid("info -- --json", code=1).err


def test_wait_takes_a_number_or_nothing():
    _, rest = cli._command(["remove", "--wait", "m.mp4", "d", "--json"])
    args = cli._parse(parser("remove"), cli._with_wait(rest))
    assert (args.wait, args.memory, args.documents) == (float("inf"), "m.mp4", ["d"])
    args = cli._parse(parser("remove"), cli._with_wait(["m.mp4", "d", "--wait", "2.5"]))
    assert args.wait == 2.5


@pytest.mark.parametrize("line", ["index m.mp4 -i ./m.mp4", "append new_docs -v m.mp4 -i m.mp4", "info m.mp4 -i m.mp4"])
def test_a_memory_of_the_call_is_no_place_for_its_index(memvid, memory, line):
    before = Path(memory).read_bytes()
    ran = memvid(line, code=2)
    assert one_line(ran.err) and "is a memory of this call: the index needs a name of its own" in ran.err
    assert Path(memory).read_bytes() == before


@pytest.mark.parametrize("line", ["encode documents -o x.mp4", "append new_docs -v m.mp4", "vacuum m.mp4 -o x.mp4"])
def test_a_file_that_is_no_sidecar_is_refused_before_anything_is_stored(memvid, memory, line):
    before = Path(memory).read_bytes()
    ran = memvid(f"{line} -i documents/whale.md", code=1)
    assert one_line(ran.err) and "documents/whale.md is no index sidecar and is left as it is" in ran.err
    assert Path(memory).read_bytes() == before and not os.path.exists("x.mp4")
    assert "white whale" in Path("documents/whale.md").read_text()


@pytest.mark.parametrize(
    ("line", "code"),
    [("info pipe", 1), ("search m.mp4 -q x -i pipe", 2), ("index m.mp4 -i pipe", 2), ("encode pipe -o x.mp4", 1)],
)
def test_a_pipe_is_not_waited_for(memvid, memory, line, code):
    os.mkfifo("pipe")
    assert one_line(memvid(line, code=code).err)


def python(code: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["memories.cli.main", "argparse", "memories.engine.memory", "zxingcpp"])
def test_ctrl_c_while_modules_are_loaded(memory, module):
    code = f"""
import os, signal, sys
from memories.cli.__main__ import run

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Sender())
sys.exit(run())
"""
    ran = python(code, "info", memory)
    assert (ran.returncode, ran.stderr) == (130, "memvid: interrupted\n")


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_leaves_nothing_behind(here, number, said):
    code = f"""
import os, sys, time
from memories.cli.__main__ import run
from memories.engine.writer import CommitWriter

def stopped(self):
    assert any(name.endswith(".memvid-tmp") for name in os.listdir())
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)

CommitWriter.write = stopped
sys.exit(run())
"""
    before = sorted(os.listdir())
    ran = python(code, "encode", "documents", "-o", "x.mp4", "--no-index")
    assert (ran.returncode, ran.stderr) == (128 + number, f"memvid: {said}\n")
    assert sorted(os.listdir()) == before
