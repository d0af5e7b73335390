"""Dockerfile and compose.yaml, which no test can run: pinned, without root, watched, and naming what exists."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import validate

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PINNED = re.compile(r"^[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)*$")


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments), with continued lines joined and comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    lines = instructions()
    start = max(number for number, (name, _) in enumerate(lines) if name == "FROM")
    return lines[start:]


def test_compose_follows_its_specification():
    validate(COMPOSE, get_builtin_schema("vendor.compose-spec"))


@pytest.mark.parametrize("image", [rest.split()[0] for name, rest in instructions() if name == "FROM"])
def test_the_images_that_ours_is_built_from_are_pinned(image):
    assert PINNED.match(image)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_watched_and_not_root(name):
    service = SERVICES[name]
    assert PINNED.match(service["image"])
    if name not in OURS:  # ours has USER in its image
        assert service["user"] not in ("root", "0")
    if name not in ("web", "migrate"):  # one has the check of its image, the other ends
        assert service["healthcheck"]["test"]
    assert "privileged" not in service


def test_the_image_runs_as_a_user_by_number_and_has_a_health_check():
    lines = last_stage()
    user = [rest for name, rest in lines if name == "USER"][-1]
    assert all(int(part) > 0 for part in user.split(":"))
    assert "/readyz" in next(rest for name, rest in lines if name == "HEALTHCHECK")
    names = [name for name, _ in lines]
    assert names.index("USER") > max(number for number, name in enumerate(names) if name in ("RUN", "COPY"))


def test_what_is_copied_is_there_and_reaches_the_builder():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in let_in, source


def test_every_package_of_the_project_is_in_the_image():
    copied = {rest.split()[0] for name, rest in last_stage() if name == "COPY"}
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert apps | {"templates", "docs", "manage.py"} <= copied


def test_commands_name_modules_that_exist():
    commands = [json.loads(rest) for name, rest in last_stage() if name == "CMD"]
    commands += [service["command"] for service in OURS.values() if "command" in service]
    for command in commands:
        words = shlex.split(" ".join(command))
        for flag in ("-m", "-A"):
            if flag in words:
                assert find_spec(words[words.index(flag) + 1]), command


def test_volumes_are_declared_and_files_have_one_home():
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"]}
    assert used == set(COMPOSE["volumes"])
    assert all(service["volumes"] == ["media:/data"] for service in OURS.values())
    assert "/data" in [rest for name, rest in last_stage() if name == "VOLUME"]


def test_secrets_have_no_default():
    assert all("PASSWORD:-" not in str(value) or "ADMIN" in str(value) for value in environment_values())


def environment_values() -> list[str]:
    return [str(value) for service in SERVICES.values() for value in service.get("environment", {}).values()]
