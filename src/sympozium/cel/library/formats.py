"""Named formats. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library"""

import base64
import datetime as dt
import re
from collections.abc import Callable
from typing import Final

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.types import FORMAT, STRING, list_of, optional_of
from sympozium.cel.values import NONE, Opaque, Optional

Check = Callable[[str], list[str]]
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = f"{_LABEL}(\\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"

FORMAT_REGEX: Final = {
    "dns1123Label": 30,
    "dns1123Subdomain": 60,
    "dns1035Label": 30,
    "qualifiedName": 60,
    "dns1123LabelPrefix": 30,
    "dns1123SubdomainPrefix": 60,
    "dns1035LabelPrefix": 30,
    "labelValue": 40,
    "uri": 1103,
    "uuid": 70,
    "byte": 84,
    "date": 69,
    "datetime": 69,
}
"""Length of the regular expression that holding a text against a format is charged for."""


class FormatValue(Opaque):
    __slots__ = ("name",)
    cel_name = FORMAT.name

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormatValue) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def _name(pattern: str, what: str, most: int, examples: str, *, prefix: bool = False) -> Check:
    regex = re.compile(pattern)

    def check(text: str) -> list[str]:
        found = (
            [f"must be no more than {most} {'bytes' if most in {253, 63} else 'characters'}"]
            if len(text) > most
            else []
        )
        if prefix and text.endswith("-"):
            text = f"{text[:-1]}a"
        if not regex.fullmatch(text):
            found.append(f"{what} (e.g. {examples}, regex used for validation is '{pattern}')")
        return found

    return check


_LABEL_WHAT = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
_SUBDOMAIN_WHAT = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
_1035_WHAT = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
_VALUE_WHAT = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_NAME_WHAT = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def _qualified(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    found: list[str] = []
    if text.count("/") > 1:
        return [
            f"a valid label key {_NAME_WHAT} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        found += (
            ["prefix part must be non-empty"]
            if not prefix
            else [f"prefix part {why}" for why in CHECKS["dns1123Subdomain"](prefix)]
        )
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        found.append(
            f"name part {_NAME_WHAT} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
        )
    return found


def _uri(text: str) -> list[str]:
    from sympozium.cel.library.urls import why_not

    why = why_not(text)
    return [why] if why else []


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return ["invalid base64"]
    return [] if text else ["invalid base64"]


def _date(text: str) -> list[str]:
    try:
        dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError:
        return ["invalid date"]
    return []


def _datetime(text: str) -> list[str]:
    match = re.fullmatch(r"\d{4}-(\d\d)-(\d\d)[tT ](\d\d):(\d\d):(\d\d)(\.\d+)?([zZ]|[+-]\d\d:?\d\d)", text)
    if match is None or _date(text[:10]) or int(match[3]) > 23 or int(match[4]) > 59 or int(match[5]) > 59:
        return ["invalid datetime"]
    return []


def _uuid(text: str) -> list[str]:
    return [] if re.fullmatch(_UUID, text) else ["does not match the UUID format"]


_LABEL_LIKE = ("'my-name',  or '123-abc'", 63)

CHECKS: Final[dict[str, Check]] = {
    "dns1123Label": _name(_LABEL, _LABEL_WHAT, 63, "'my-name',  or '123-abc'"),
    "dns1123LabelPrefix": _name(_LABEL, _LABEL_WHAT, 63, "'my-name',  or '123-abc'", prefix=True),
    "dns1123Subdomain": _name(_SUBDOMAIN, _SUBDOMAIN_WHAT, 253, "'example.com'"),
    "dns1123SubdomainPrefix": _name(_SUBDOMAIN, _SUBDOMAIN_WHAT, 253, "'example.com'", prefix=True),
    "dns1035Label": _name(_LABEL_1035, _1035_WHAT, 63, "'my-name',  or 'abc-123'"),
    "dns1035LabelPrefix": _name(_LABEL_1035, _1035_WHAT, 63, "'my-name',  or 'abc-123'", prefix=True),
    "labelValue": _name(_VALUE, _VALUE_WHAT, 63, "'MyValue',  or 'my_value',  or '12345'"),
    "qualifiedName": _qualified,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _datetime,
}


def _validate(named: FormatValue, text: str) -> Optional:
    found = CHECKS[named.name](text)
    return Optional(found) if found else NONE


def _named(name: str) -> Optional:
    return Optional(FormatValue(name)) if name in CHECKS else NONE


OVERLOADS: list[Overload] = [
    *(function(f"format.{name}", (), FORMAT, lambda name=name: FormatValue(name)) for name in CHECKS),
    function("format.named", (STRING,), optional_of(FORMAT), _named),
    method("validate", (FORMAT, STRING), optional_of(list_of(STRING)), _validate),
]
