"""The built-in policies, skills and persona packs, as YAML.

They are ordinary manifests, installed into the system namespace with the label `sympozium.ai/builtin`. A pack is
an entry of the catalogue until somebody enables a copy of it. In the files `{version}` is the version of the
package, and `{registry}` and `{tag}` are where its images are: an image and the code that was tested with it belong
together.
"""

from importlib import resources
from typing import Any, Final

import yaml

import sympozium
from sympozium.installation import IMAGE_REGISTRY, IMAGE_TAG, SYSTEM_NAMESPACE

Object = dict[str, Any]

LABEL_BUILTIN: Final = "sympozium.ai/builtin"
_DIRECTORIES: Final = ("policies", "skills", "packs")
"""In the order in which they refer to each other."""


def documents(
    *, namespace: str = SYSTEM_NAMESPACE, registry: str = IMAGE_REGISTRY, tag: str = IMAGE_TAG
) -> list[Object]:
    """All built-in objects, in an order in which they can be applied; each call returns new ones."""
    values = {"{version}": sympozium.__version__, "{registry}": registry, "{tag}": tag}
    found = []
    for directory in _DIRECTORIES:
        files = (resources.files(__name__) / directory).iterdir()
        for file in sorted((f for f in files if f.name.endswith(".yaml")), key=lambda f: f.name):
            text = file.read_text()
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            document: Object = yaml.load(text, yaml.CSafeLoader)
            document["metadata"] |= {"namespace": namespace, "labels": {LABEL_BUILTIN: "true"}}
            found.append(document)
    return found


def document(kind: str, name: str) -> Object:
    """One built-in object. Raises KeyError that lists what there is of the kind."""
    of_kind = {d["metadata"]["name"]: d for d in documents() if d["kind"] == kind}
    if name not in of_kind:
        raise KeyError(f"no built-in {kind} {name}: there are {', '.join(of_kind) or 'none'}")
    return of_kind[name]
