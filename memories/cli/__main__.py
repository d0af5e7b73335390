"""What `memvid` and `python -m memories.cli` run: a signal while modules are loaded ends it with one line, too."""

import sys

from memories.cli.signals import end_at_once, handle


def run() -> int:
    handle(end_at_once)
    from memories.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
