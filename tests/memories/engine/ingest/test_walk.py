import os
from dataclasses import replace

import pytest

from memories.engine.errors import IngestError
from memories.engine.ingest import FolderSettings, preview, walk
from memories.engine.ingest.gitignore import Ignores

DEFAULTS = FolderSettings()


@pytest.fixture
def tree(tmp_path):
    """Writes a file for every name, under one root."""
    root = tmp_path / "root"

    def write(*names: str, data: bytes = b"text"):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    return write


def taken(root, settings=DEFAULTS, **options) -> list[str]:
    return [found.name.removeprefix("root/") for found in walk(root, settings, **options) if not found.skip]


def skipped(root, settings=DEFAULTS) -> dict[str, str]:
    return {found.name.removeprefix("root/"): found.skip for found in walk(root, settings) if found.skip}


def test_names_begin_with_the_root_and_come_in_order(tree):
    root = tree("b.txt", "a/z.txt", "a/b/c.md", "c")
    assert [found.name for found in walk(root, DEFAULTS)] == ["root/a/b/c.md", "root/a/z.txt", "root/b.txt", "root/c"]
    assert taken(root / "a") == ["a/b/c.md", "a/z.txt"]


def test_depth(tree):
    root = tree("0.txt", "a/1.txt", "a/b/2.txt")
    assert taken(root, replace(DEFAULTS, max_depth=0)) == ["0.txt"]
    assert taken(root, replace(DEFAULTS, max_depth=1)) == ["0.txt", "a/1.txt"]
    assert skipped(root, replace(DEFAULTS, max_depth=1)) == {"a/b": "folder deeper than 1 levels"}
    deep = tree("d/" * 300 + "x.txt")
    assert taken(deep, replace(DEFAULTS, max_depth=None))[-1].endswith("d/x.txt")


def test_filters_say_why(tree):
    root = tree("a.RS", "b.py", "c.exe", ".env", ".git/config", "target/x.rs", "d.tmp", "no_extension", "pic.jpg")
    tree("big.txt", data=b"x" * 2000)
    tree("data.blob", data=b"\0\1\2")
    assert taken(root, replace(DEFAULTS, max_file_size=1000)) == ["a.RS", "b.py", "no_extension"]
    assert skipped(root, replace(DEFAULTS, max_file_size=1 << 20, min_file_size=5)) == {
        ".env": "hidden",
        ".git": "hidden",
        "a.RS": "smaller than 5 bytes",
        "b.py": "smaller than 5 bytes",
        "c.exe": "extension excluded: exe",
        "d.tmp": "excluded by the pattern *.tmp",
        "data.blob": "smaller than 5 bytes",
        "no_extension": "smaller than 5 bytes",
        "pic.jpg": "extension excluded: jpg",
        "target": "excluded by the pattern target",
    }
    assert skipped(root)["data.blob"] == "binary"
    assert "data.blob" in taken(root, replace(DEFAULTS, skip_binary=False))
    assert taken(root, replace(DEFAULTS, include_extensions=("rs", ".PY"))) == ["a.RS", "b.py"]
    assert "c.exe" in taken(root, replace(DEFAULTS, exclude_extensions=()))
    assert {".env", "target/x.rs"} <= set(taken(root, replace(DEFAULTS, include_hidden=True, exclude_patterns=())))
    assert taken(root, patterns=["*.py", "a.*"]) == ["a.RS", "b.py"]


def test_nested_gitignore_as_git_reads_it(tree):
    root = tree(
        "a.log", "keep.log", "sub/b.log", "sub/c.txt", "sub/deep/c.txt", "out/x.txt", "sub/out/y.txt", "sub/k.log"
    )
    (root / ".gitignore").write_text("*.log\n!keep.log\n/out/\n")
    (root / "sub/.gitignore").write_text("c.txt\n!k.log\n")
    (root / "sub/deep/.gitignore").write_text("!c.txt\n")
    assert taken(root) == ["keep.log", "sub/deep/c.txt", "sub/k.log", "sub/out/y.txt"]
    assert skipped(root)["out"] == "ignored by .gitignore"


def test_a_folder_let_in_again_does_not_let_in_its_files(tree):
    root = tree("docs/a.txt", "docs/b.txt", "src/a.txt", "src/b.txt", "src/deep/b.txt")
    (root / ".gitignore").write_text("*\n!docs\n!src/\n!src/a.txt\n")
    assert taken(root) == ["src/a.txt"]


def test_what_lies_in_a_folder_can_be_let_in_again(tree):
    root = tree("logs/a.txt", "logs/keep.txt", "logs/deep/keep.txt")
    (root / ".gitignore").write_text("logs/**\n!logs/keep.txt\n")
    assert taken(root) == ["logs/keep.txt"]


# As `git check-ignore` answers.
@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.txt", ["a.txt", "d/a.txt", ".txt"], ["a.txt.bak"]),
        ("/a", ["a"], ["d/a"]),
        ("d/a", ["d/a"], ["x/d/a", "d/a/b"]),
        ("a/", ["a/", "d/a/"], ["a", "d/a"]),
        ("**/a", ["a", "d/a", "d/e/a"], ["ba"]),
        ("d/**/a", ["d/a", "d/e/f/a"], ["x/d/a", "da"]),
        ("d/**", ["d/a", "d/e/f"], ["d/", "d"]),
        ("d/*", ["d/a"], ["d/e/f"]),
        ("d**a", ["dxa"], ["d/a"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[ab-]c", ["ac", "-c"], ["cc"]),
        ("[!a]c", ["bc"], ["ac"]),
        ("[]x]c", ["]c", "xc"], ["c"]),
        ("[[:digit:]]c", ["1c"], ["ac"]),
        ("[a", [], ["[a", "a"]),
        ("[]k", [], ["[]k", "k"]),
        ("a\\", [], ["a", "a\\"]),
        ("[z-a]", [], ["z", "a", "b"]),
        ("\\#a", ["#a"], ["a"]),
        ("#a", [], ["#a", "a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a  ", ["a"], ["a  "]),
        ("a\\ ", ["a "], ["a"]),
        ("a\r", ["a"], ["a\r"]),
        ("\ufeffa", ["a"], []),
        ("", [], ["a"]),
        ("/", [], ["a", "a/"]),
    ],
)
def test_patterns_of_gitignore(pattern, yes, no):
    ignores = Ignores(pattern)
    for path in yes + no:
        assert ignores.verdict(path.removesuffix("/"), path.endswith("/")) == (True if path in yes else None), path


def test_links(tree):
    root = tree("a/x.txt", "b/y.txt")
    (root / "a/loop").symlink_to(root)
    (root / "a/link.txt").symlink_to(root / "b/y.txt")
    (root / "broken").symlink_to(root / "nothing")
    assert taken(root) == ["a/x.txt", "b/y.txt"]
    followed = replace(DEFAULTS, follow_symlinks=True)
    assert taken(root, followed) == ["a/link.txt", "a/x.txt", "b/y.txt"]
    assert "already visited" in skipped(root, followed)["a/loop"]
    assert [found.name for found in walk(root, followed) if found.error] == ["root/broken"]


def test_a_folder_that_cannot_be_listed_is_an_error(tree, monkeypatch):
    root = tree("a/x.txt", "b.txt")
    scandir = os.scandir

    def refuse(path):
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(walk(root, DEFAULTS))
    assert [(item.name, item.skip, item.error) for item in found] == [
        ("root/a", "cannot be listed: Permission denied", True),
        ("root/b.txt", "", False),
    ]


def test_odd_names_and_special_files(tree):
    root = tree("new\nline.txt")
    with open(os.fsencode(root) + b"/caf\xe9.txt", "wb"):
        pass
    os.mkfifo(root / "pipe.txt")
    assert taken(root) == ["caf\\xe9.txt", "new\nline.txt"]
    assert skipped(root) == {"pipe.txt": "not a regular file"}


def test_a_root_that_is_a_file_or_missing(tree):
    root = tree(".hidden")
    assert [found.name for found in walk(root / ".hidden", DEFAULTS)] == [".hidden"]
    with pytest.raises(IngestError, match="No such file"):
        list(walk(root / "nothing", DEFAULTS))


def test_preview_counts_without_reading(tree):
    root = tree("a.txt", "b.txt", "c.md", "d.tmp", "README")
    result = preview([root, root / "a.txt"], DEFAULTS)
    assert (result.files, result.size, result.errors) == (5, 20, 0)
    assert result.extensions == {"txt": 3, "md": 1, "": 1}
    assert result.skipped == {"excluded by the pattern *.tmp": 1}
