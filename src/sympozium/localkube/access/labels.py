"""meta/v1 LabelSelector on a map of labels.

Access and admission need it for aggregation rules and webhook selectors, which come as objects;
the query grammar of list requests is the HTTP layer's.
"""

from collections.abc import Mapping

from sympozium.localkube.types import Object


def matches(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """An empty selector selects everything. An operator that is not one of the four selects nothing."""
    if not selector:
        return True
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_expression(part, labels) for part in selector.get("matchExpressions") or ())


def _expression(part: Object, labels: Mapping[str, str]) -> bool:
    key, operator, values = part["key"], part["operator"], part.get("values") or ()
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
