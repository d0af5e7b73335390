"""What a benchmark hands back, and how it is shown."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["met", "missed", ""]


@dataclass(frozen=True)
class Row:
    """One figure. `most` or `least` is its target; without one the figure stands for comparison only."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.most is None and self.least is None:
            return ""
        fits = (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)
        return "met" if fits else "missed"

    @property
    def target(self) -> str:
        bounds = [f"<= {self.most:g}"] if self.most is not None else []
        return " ".join(bounds + ([f">= {self.least:g}"] if self.least is not None else []))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


HEADINGS = ("", "figure", "unit", "target", "", "remark")


def table(rows: Iterable[Row]) -> str:
    lines = [HEADINGS, *((r.name, figure(r.value), r.unit, r.target, r.verdict, r.note) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    right = 1  # the column of figures
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column == right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def figure(value: float) -> str:
    """Whole from a thousand on, else four digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


median = statistics.median
