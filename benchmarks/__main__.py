"""Measures what the project promises: `python -m benchmarks --corpus DIR`. Prints a table and writes JSON."""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.rows import Row, table
from memories.engine.errors import MemvidError

# Cheap ones first; a module is loaded when its turn comes, so that torch weighs on nobody else.
NAMES = ("encode", "size", "readback", "peak", "opening", "append", "embed")
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    args = _parse()
    begun, load = time.time(), os.getloadavg()[0]
    measured: dict[str, list[Row]] = {}
    loads: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="memvid-bench-") as folder:
        bench = Bench(args.corpus, Path(folder), args.quick)
        for name in args.only or NAMES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            loads[name] = os.getloadavg()[0]
            measured[name] = importlib.import_module(f"benchmarks.{name}").run(bench)
        characters = len(bench.text)
    rows = [row for found in measured.values() for row in found]
    print(table(rows))
    missed = sum(row.verdict == "missed" for row in rows)
    judged = sum(row.verdict != "" for row in rows)
    print(f"\n{judged - missed} of {judged} targets met; {characters:,} characters; load at the start {load:.2f}")
    facts = {**_machine(), "quick": args.quick, "characters": characters, "seconds": round(time.time() - begun, 1)}
    results = {name: [row.as_dict() for row in found] for name, found in measured.items()}
    path = _write({**facts, "load_before": loads, "results": results}, args.output)
    print(f"written to {path}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="a folder with .txt files of prose")
    parser.add_argument("--quick", action="store_true", help="a tenth of the text and one round: a look, not a result")
    parser.add_argument("--only", action="append", choices=NAMES, help="one benchmark (may be given again)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the JSON; default benchmarks/results/TIME.json")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    return {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }


def _write(document: dict[str, Any], path: Path | None) -> Path:
    path = path or RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MemvidError as error:
        sys.exit(f"benchmarks: {error}")
