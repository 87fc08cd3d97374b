"""How every figure is printed: minimum, median and maximum of the runs, and the bound where there is one."""

import statistics
from collections.abc import Sequence


def row(name: str, values: Sequence[float], unit: str, bound: float | None = None) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    tail = f"   bound {bound:g} {unit}" if bound is not None else ""
    return f"{name:<44} {low:>9.3f} {middle:>9.3f} {high:>9.3f} {unit}{tail}"


def head(title: str, runs: int) -> str:
    return f"\n{title} ({runs} runs)\n{'':<44} {'min':>9} {'median':>9} {'max':>9}"
