"""Sizes of the images that `make images` built on this machine: what a node pulls, layer by layer, compressed.

A layer that several images have is pulled once, so the last column counts what each adds to those above it.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from sympozium import __version__

NAMES = ("agent", "tools", "shell", "skill-k8s-ops", "control-plane")
REGISTRY = "ghcr.io/sympozium"


def layers(engine: str, image: str) -> dict[str, int]:
    """Digest -> bytes, as a registry gets them."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([engine, "push", "--quiet", image, f"dir:{place}"], check=True, capture_output=True)
        manifest = json.loads((Path(place) / "manifest.json").read_text())
    return {layer["digest"]: int(layer["size"]) for layer in manifest["layers"]}


def main() -> None:
    engine = next((name for name in ("buildah", "podman") if shutil.which(name)), None)
    if engine is None:
        print("\nimages: neither buildah nor podman is here; they write out what a registry would get")
        return
    print(f"\nimages, compressed, of {__version__}\n{'':<24} {'size':>10} {'layers':>8} {'adds':>10}")
    had: set[str] = set()
    for name in NAMES:
        image = f"{REGISTRY}/{name}:v{__version__}"
        if subprocess.run([engine, "inspect", image], check=False, capture_output=True).returncode:
            print(f"{name:<24} not built: make images")
            continue
        found = layers(engine, image)
        new = sum(size for digest, size in found.items() if digest not in had)
        had |= set(found)
        print(f"{name:<24} {sum(found.values()) / 1e6:>7.1f} MB {len(found):>8} {new / 1e6:>7.1f} MB")


if __name__ == "__main__":
    main()
