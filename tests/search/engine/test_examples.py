"""Questions to begin with: about what a person would ask, never about markup or code."""

import pytest

from search.engine.examples import about


@pytest.mark.parametrize(
    ("heading", "subject"),
    [
        ("Bridge report", "“Bridge report”"),
        ("<b>Bridge</b> report", "“Bridge report”"),
        ("**Bridge** report (2019)", "“Bridge report 2019”"),
        ("The `load` command of the site", "“The load command of the site”"),
        ("C++ and C#: what is new?", "“C and C what is new”"),
        ("A/B tests at 5 < 6", "“A B tests at 5 6”"),
        ("<script>alert(1)</script>", ""),
        ("<img src=x onerror=alert(1)>", ""),
        ("`memvid chat M.mp4`", ""),
        ("{{ user.name }} {% if x %}", ""),
        ("if (a && b) { x = 5; }", ""),
        ("print('hello world')", ""),
        ("https://example.org/a/b", ""),
        ("<<<<<<< HEAD", ""),
    ],
)
def test_the_heading_is_what_is_asked_about(heading, subject):
    expected = f"What is said about {subject}?" if subject else ""
    assert about(f"# {heading}\n\nIt is so.") == about("It is so.", [heading]) == expected


def test_a_heading_of_code_gives_way_to_the_next():
    assert about("# <script>alert(1)</script>\n\n## Bridge report\n") == "What is said about “Bridge report”?"
    assert about("It swam near Nantucket.", ["<script>alert(1)</script>"]) == "What is said about Nantucket?"
