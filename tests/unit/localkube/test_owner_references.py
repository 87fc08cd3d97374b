"""Owner references that are there twice."""

from typing import Any

from sympozium.localkube.metadata import unify_owners

COUNT = 200


class Counted(dict[str, Any]):
    """Counts how often it is compared."""

    compared = 0
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)


def test_thousands_of_owners_are_not_compared_each_with_each():
    owners = [Counted(uid=f"u{number}", name="a") for number in range(COUNT)]
    meta: dict[str, Any] = {"ownerReferences": [*owners, Counted(name="a", uid="u7")]}
    warnings = unify_owners({"metadata": meta}, late=False)
    assert warnings[0].endswith("duplicate UID(s) observed: u7")
    assert len(meta["ownerReferences"]) == COUNT
    assert Counted.compared < COUNT * 2
