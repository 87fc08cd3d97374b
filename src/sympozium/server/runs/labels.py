"""Label selectors as SQL over a column of labels in JSON: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from typing import Final

_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY: Final = rf"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?{_NAME}"
_VALUE: Final = rf"(?:{_NAME})?"
# The values of a set are taken apart by hand: a pattern of lists with spaces anywhere takes exponential time over some.
_TERM: Final = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<without>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)
_ONE_VALUE: Final = re.compile(_VALUE)
_COLUMN: Final = "json_extract(runs.labels, ?)"


def condition(selector: str) -> tuple[str, list[str]]:
    """The condition with its parameters. Raises ValueError that says what cannot be read."""
    terms: list[str] = []
    parameters: list[str] = []
    at = 0
    while at < len(selector):
        found = _TERM.match(selector, at)
        values = _values(found) if found else None
        if found is None or values is None:
            raise ValueError(
                f"{selector[at:]!r} is no part of a label selector; expected a=b, a!=b, a in (b,c), a notin (b), a or !a"
            )
        at = found.end()
        key = found["without"] or found["key"]
        path = f'$."{key}"'
        if found["absent"]:
            terms.append(f"{_COLUMN} IS NULL")
            parameters.append(path)
        elif found["sign"] or found["set"]:
            positive = found["sign"] in {"=", "=="} or found["set"] == "in"
            marks = ", ".join("?" * len(values))
            # As in Kubernetes, what does not have the label is not equal to anything.
            terms.append(
                f"{_COLUMN} IN ({marks})" if positive else f"coalesce({_COLUMN} NOT IN ({marks}), 1)"
            )
            parameters += [path, *values]
        else:
            terms.append(f"{_COLUMN} IS NOT NULL")
            parameters.append(path)
    return " AND ".join(terms) or "1", parameters


def _values(found: re.Match[str]) -> list[str] | None:
    """What the label is compared with; None for what is no value of a label."""
    if found["sign"]:
        return [found["value"]]
    values = [value.strip() for value in (found["values"] or "").split(",")]
    return values if all(map(_ONE_VALUE.fullmatch, values)) else None
