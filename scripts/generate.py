"""Write the generated files, or with --check say which of them are not current (exit code 1).

Each package has its generator; this script knows only where its output belongs.
"""

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def outputs() -> dict[Path, str]:
    """Path -> content of every generated text file."""
    from sympozium.api import crds, reference

    found = {ROOT / "src/sympozium/api/crds" / name: text for name, text in crds.build().items()}
    found[ROOT / "docs/reference.md"] = reference.markdown()
    if importlib.util.find_spec("sympozium.cli.reference"):
        found[ROOT / "docs/cli.md"] = importlib.import_module("sympozium.cli.reference").markdown()
    server = importlib.import_module("sympozium.server.app")
    found[ROOT / "web/openapi.json"] = json.dumps(server.openapi(), indent=1)
    sys.path.insert(0, str(ROOT / "scripts"))
    governance = importlib.import_module("governance")
    found[governance.PAGE] = governance.markdown()
    metrics = importlib.import_module("metrics")
    found[metrics.PAGE] = metrics.markdown()
    found |= importlib.import_module("chart").outputs(crds.build())
    return {path: text.rstrip("\n") + "\n" for path, text in found.items()}


def stale(wanted: dict[Path, str]) -> list[Path]:
    """Files that are missing, differ, or belong to a kind that is no more."""
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    chart = importlib.import_module("chart")
    kept = {
        path
        for directory in (ROOT / "src/sympozium/api/crds", *chart.directories())
        for path in directory.glob("*.yaml")
    }
    return sorted([*changed, *(kept - wanted.keys())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    wanted = outputs()
    changed = stale(wanted)
    for path in changed:
        print(f"{'not current' if check else 'written'}: {path.relative_to(ROOT)}")
        if check:
            continue
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    schemas = ROOT / "scripts/builtin_schemas.py"
    code = 0
    if schemas.exists():
        code = subprocess.run(
            [sys.executable, schemas, *(["--check"] if check else [])], check=False
        ).returncode
    if check and changed:
        print("run `make generate`", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
