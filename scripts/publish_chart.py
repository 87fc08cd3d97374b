"""Package the chart into dist/, and push it where it is told to: `publish_chart.py oci://ghcr.io/sympozium/charts`.

The registry's credentials are those of `docker login` or `helm registry login`.
"""

import argparse
from pathlib import Path

import helm_python

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("to", nargs="?", default="", help="an oci:// URL; nothing is pushed without")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    parser.add_argument("--plain-http", action="store_true", help="for a registry on this machine")
    arguments = parser.parse_args()
    arguments.dist.mkdir(parents=True, exist_ok=True)
    archive = helm_python.package(ROOT / "charts/sympozium", destination=arguments.dist)
    print(archive)
    if arguments.to:
        helm_python.push(archive, arguments.to, plain_http=arguments.plain_http)
        print(f"pushed to {arguments.to.rstrip('/')}/sympozium")


if __name__ == "__main__":
    main()
