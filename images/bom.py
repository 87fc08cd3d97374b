"""The list of an image's parts as CycloneDX 1.6, written into its last layer: /usr/share/sbom/NAME.cdx.json.

    bom.py NAME LAYER...    `base` stands for the whole base image, `runtime` for what was taken from it

Python packages come from their own metadata, Debian's from dpkg's. VERSION and SOURCE_DATE_EPOCH are in the environment.
"""

import json
import os
import platform
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

LAYERS = Path("/layers")


def of_python(place: Path) -> list[dict[str, Any]]:
    return [_distribution(found) for found in distributions(path=[str(place)])]


def _distribution(found: Distribution) -> dict[str, Any]:
    name, version = found.metadata["Name"], found.version
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    said = found.metadata
    if expressions := said.get_all("License-Expression"):
        part["licenses"] = [{"expression": expressions[0]}]
        return part
    classified = [
        c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or () if c.startswith("License ::")
    ]
    written = [text for text in said.get_all("License") or () if text and "\n" not in text]
    if names := classified or written:
        part["licenses"] = [{"license": {"name": name}} for name in names]
    return part


def of_debian(packages: list[str]) -> list[dict[str, Any]]:
    """All of the base's where no package is named."""
    form = "${Package}\t${Version}\t${Architecture}\n"
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", form, *packages], capture_output=True, text=True, check=True
    ).stdout
    parts = []
    for line in sorted(shown.splitlines()):
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}".replace("+", "%2B")
        parts.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return parts


def of_interpreter() -> dict[str, Any]:
    """Python itself where it is not a Debian package: the official image builds it from source."""
    purl = f"pkg:generic/python@{platform.python_version()}"
    return {
        "type": "application", "bom-ref": purl, "name": "python", "version": platform.python_version(), "purl": purl,
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }  # fmt: skip


def bom(name: str, layers: list[str], version: str, epoch: int) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {}
    for layer in layers:
        found = []
        if layer == "base":
            found += of_debian([])
            for place in Path("/usr/local/lib").glob("python3.*/site-packages"):
                found += of_python(place)
        else:
            packages = sorted(p.name for p in (LAYERS / layer / "var/lib/dpkg/status.d").glob("*"))
            found += of_debian(packages) if packages else []
            for place in (LAYERS / layer).glob("opt/sympozium/lib/python3.*/site-packages"):
                found += of_python(place)
        parts |= {part["bom-ref"]: part for part in found}
    if sys.executable.startswith("/usr/local/"):
        python = of_interpreter()
        parts[python["bom-ref"]] = python
    components = [parts[key] for key in sorted(parts)]
    about = {"type": "container", "bom-ref": name, "name": f"sympozium/{name}", "version": version}
    body = json.dumps([about, components], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, body)}",
        "metadata": {"timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(), "component": about},
        "components": components,
    }  # fmt: skip


def main() -> None:
    name, *layers = sys.argv[1:]
    found = bom(name, layers, os.environ["VERSION"], int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
    file = LAYERS / f"own-{name}/usr/share/sbom/{name}.cdx.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
