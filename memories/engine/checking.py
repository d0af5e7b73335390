"""A check of a file that may be hostile, in a process that can do little harm: `python -m memories.engine.checking`.

    python -m memories.engine.checking FILE MEGABYTES CPU_SECONDS FILE_MEGABYTES

Prints one JSON object a line: {"done", "total", "stage"} while it reads, at the end {"ok", "problems", ...}.
"""

import json
import resource
import sys
import time

MOST_PROBLEMS = 20
EVERY = 0.2  # seconds between two lines of progress
MEGABYTE = 1 << 20


def limit(memory: int, cpu: int, file: int) -> None:
    """Before anything that the file could reach is imported."""
    for kind, value in (
        (resource.RLIMIT_AS, memory * MEGABYTE), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, file * MEGABYTE),
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256),
    ):  # fmt: skip
        resource.setrlimit(kind, (value, value))


def check(path: str) -> dict:
    from memories.engine import Memory
    from memories.engine.errors import MemvidError

    last = 0.0

    def progress(done: int, total: int, stage: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(json.dumps({"done": done, "total": total, "stage": stage}), flush=True)

    try:
        with Memory.open(path) as memory:
            report = memory.verify(progress)
            return {
                "ok": report.ok, "problems": report.problems[:MOST_PROBLEMS], "frames": report.frames,
                "bad_frames": report.bad_frames[:MOST_PROBLEMS], "second_reader_frames": report.second_reader_frames,
                "native": memory.log.native, "documents": memory.stats()["documents"], "head": memory.head.number,
            }  # fmt: skip
    except MemvidError as error:
        return {"ok": False, "problems": [str(error)]}
    except MemoryError:
        return {"ok": False, "problems": ["it asks for more memory than a check may take"]}


def main() -> None:
    path, *limits = sys.argv[1:]
    limit(*map(int, limits))
    print(json.dumps(check(path)), flush=True)


if __name__ == "__main__":
    main()
