"""docs/operations.md names every variable that the site reads, and no other."""

import ast
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
READERS = ("environ.get", "os.environ.get", "env_flag", "env_number", "env_list", "env_database", "env_choice")


def read_by(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("settings.") in READERS:
            names |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            names |= {node.slice.value} if isinstance(node.slice, ast.Constant) else set()
    return {name for name in names if name.isupper()}


def documented() -> set[str]:
    return {
        name for line in re.findall(r"^\| (`[^|]+)\|", PAGE, re.MULTILINE) for name in re.findall(r"`([A-Z_]+)`", line)
    }


def read_anywhere() -> set[str]:
    files = [path for app in ("memvid_site", "collab", "memories", "search") for path in (ROOT / app).rglob("*.py")]
    site = [path for path in files if "engine" not in path.parts and "cli" not in path.parts]
    return set().union(*map(read_by, site)) - {"DJANGO_SETTINGS_MODULE"}


def test_the_variables_of_the_page_are_those_of_the_code():
    ours = documented() - {"CHROMIUM", "NO_COLOR"}
    assert ours == read_anywhere() - {"NO_COLOR"}


def test_compose_sets_only_what_is_documented():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    ours = [service for service in compose["services"].values() if "build" in service]
    assert {name for service in ours for name in service["environment"]} <= documented()


def test_commands_of_the_page_exist():
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    builtin = {"migrate", "changepassword", "check", "clearsessions"}
    assert set(re.findall(r"manage\.py ([a-z_]+)", PAGE)) <= commands | builtin
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", PAGE)) <= targets
