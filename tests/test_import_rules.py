"""Which part may import which: engines know no web framework and no command, and are light to import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINES = [path.relative_to(ROOT) for path in sorted(ROOT.glob("*/engine"))]
FRAMEWORKS = {"django", "channels", "celery"}
HEAVY = {"torch", "transformers", "sentence_transformers", "av"}

# Imports each module as the first of ours, so that none leans on what another has imported.
EACH_ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    for known in [known for known in sys.modules if known.partition(".")[0] in ("memories", "search")]:
        del sys.modules[known]
    importlib.import_module(name)
print(*sys.modules)
"""


def modules(engine: Path) -> list[str]:
    files = (path.relative_to(ROOT) for path in sorted((ROOT / engine).rglob("*.py")))
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]


def loaded_by(*names: str) -> set[str]:
    """Top-level packages in memory after importing `names` in a new interpreter."""
    command = [sys.executable, "-c", EACH_ALONE, *names]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {name.partition(".")[0] for name in ran.stdout.split()}


def imported_anywhere(module: Path) -> set[str]:
    """What a file imports at any depth, inside functions too; relative imports stay within the engine."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return names


def test_the_engines_are_found():
    assert {Path("memories/engine"), Path("search/engine")} <= set(ENGINES)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_each_module_imports_alone_and_loads_no_framework(engine):
    assert not loaded_by(*modules(engine)) & FRAMEWORKS


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_no_module_imports_a_framework_or_the_command_later(engine):
    for path in (ROOT / engine).rglob("*.py"):
        names = imported_anywhere(path)
        assert not {name.partition(".")[0] for name in names} & FRAMEWORKS, path
        assert not [name for name in names if name.startswith("memories.cli")], path


@pytest.mark.parametrize("engine", ["memories.engine", "search.engine"])
def test_importing_an_engine_loads_neither_torch_nor_the_video_library(engine):
    assert not loaded_by(engine) & HEAVY


def test_searching_by_words_needs_no_torch():
    assert not loaded_by(*modules(Path("search/engine"))) & (HEAVY - {"av"})
