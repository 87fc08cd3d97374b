"""How long rendering the chart takes: `helm template`, and `sympozium manifests`."""

import subprocess
import sys
import time
from pathlib import Path

from bench.table import head, row

ROOT = Path(__file__).resolve().parent.parent
RUNS = 7


def _seconds(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    chart = str(ROOT / "charts/sympozium")
    commands = {
        f"helm-{version} template": [str(ROOT / f".tools/helm-{version}"), "template", "sympozium", chart]
        for version in "34"
        if (ROOT / f".tools/helm-{version}").exists()
    }
    commands["sympozium manifests"] = [sys.executable, "-m", "sympozium", "manifests"]
    print(head("the chart, rendered with its default values", RUNS))
    for name, argv in commands.items():
        print(row(name, [_seconds(argv) for _ in range(RUNS)], "s"))
