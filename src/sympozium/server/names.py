"""Names in paths and queries of requests: nothing that is no name reaches a path of the Kubernetes API."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

from sympozium.names import LABEL, SUBDOMAIN

Namespace = Annotated[str, StringConstraints(pattern=LABEL, max_length=63)]
NamespacePath = Annotated[str, Path(pattern=LABEL, max_length=63)]
NamePath = Annotated[str, Path(pattern=SUBDOMAIN, max_length=253)]
NamespaceQuery = Annotated[str | None, Query(pattern=LABEL, max_length=63)]
"""Without it: all namespaces."""
