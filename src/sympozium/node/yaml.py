"""Reading YAML files without PyYAML where they are JSON, which the ones that `up` writes are.

PyYAML costs 3 MB and 20 ms, for good, in a process that reads two small files.
"""

import json
from typing import Any


def load(text: str) -> Any:
    """The one document of a YAML or JSON text. Raises ValueError with the place of the mistake."""
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        try:
            return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe loaders
        except yaml.YAMLError as exc:
            raise ValueError(str(exc)) from exc
