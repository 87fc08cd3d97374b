"""Owner references, on values."""

from sympozium.localkube.types import Object


def controller_of(obj: Object) -> Object | None:
    """The owner reference with controller: true."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            owner: Object = reference
            return owner
    return None
