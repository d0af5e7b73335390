"""The editor's part in the browser, as far as it needs no page: run by Node, which builds the pages too."""

import os
import shutil
import subprocess

from tests.running import ROOT


def test_the_session_of_the_editor():
    places = os.pathsep.join([str(ROOT / ".venv/node"), os.environ["PATH"]])
    node = shutil.which("node", path=places)
    assert node, "Node is missing: make front brings it"
    ran = subprocess.run([node, "--test", "static/tests/"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
