"""The README's programs run as they stand there, and its files and commands exist."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_programs_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMVID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "whales.md").write_text("# Whales\n\nThe white whale swam.\n")
    (documents / "mind.txt").write_text("Artificial intelligence is a field of study.\n")
    module = ModuleType("memvid_files")
    module.documents = documents
    monkeypatch.setitem(sys.modules, "memvid_files", module)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 4
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "Historical event details" in printed and "done after" in printed
    assert "1 chunks were added since" in printed


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_the_commands_of_the_table_exist():
    from memories.cli.main import COMMANDS

    named = set(re.findall(r"`memvid ([a-z-]+)", README)) | set(re.findall(r"`(index-[a-z]+)`", README))
    assert named - {"COMMAND"} <= set(COMMANDS)
