"""CustomResourceDefinitions, generated from the models.

The files in `sympozium/api/crds/` are what is installed; `scripts/generate.py --check` holds them equal to
what `build` says. At run time only the files are read, since reading them costs a tenth of importing the models.
"""

from importlib import resources
from typing import Any, Final

import yaml

from sympozium.api.base import Object

HEADER: Final = "# Generated from sympozium.api by `make generate`. Do not edit.\n"


def documents() -> dict[str, str]:
    """The installed CRDs: file name -> YAML, one document each."""
    directory = resources.files("sympozium.api") / "crds"
    files = sorted((f for f in directory.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return {file.name: file.read_text() for file in files}


def build() -> dict[str, str]:
    """The CRDs as the models are now: file name -> YAML."""
    from sympozium.api.registry import KINDS

    return {f"{kind.crd_name}.yaml": HEADER + _yaml(definition(kind.kind)) for kind in KINDS}


def definition(kind: str) -> Object:
    """The CustomResourceDefinition of a kind, from its model. Raises KeyError for other kinds."""
    from sympozium.api.registry import BY_KIND
    from sympozium.api.schema import structural

    found = BY_KIND[kind]
    schema = structural(found.model)
    # The API server owns these three and adds their schemas itself.
    for name, text in (
        ("apiVersion", "Version of the API: sympozium.ai/v1alpha1."),
        ("kind", f"{kind}."),
    ):
        schema["properties"][name] = {"type": "string", "description": text}
    if found.reconciled:
        # Until a controller has seen an object, kstatus (Flux, helm) takes it for being in progress, not for done.
        schema["properties"]["status"]["default"] = {"observedGeneration": -1}
    schema["properties"]["metadata"] = {"type": "object"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": found.crd_name, "labels": {"app.kubernetes.io/name": "sympozium"}},
        "spec": {
            "group": found.group,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": found.plural,
                "singular": found.singular,
                "shortNames": [found.short_name],
                "categories": list(found.categories),
            },
            "versions": [
                {
                    "name": found.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in found.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _column(column: Any) -> Object:
    found: Object = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.priority:
        found["priority"] = column.priority
    return found


def _yaml(document: Object) -> str:
    text: str = yaml.dump(document, sort_keys=False, width=110, allow_unicode=True)
    return text
