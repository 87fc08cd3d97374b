"""Label and field selectors: parsed once for a request, applied to decoded objects.

The grammar is the one of `labelSelector` and `fieldSelector` query parameters (Kubernetes' concepts page
"Labels and Selectors"). A `!=` or `notin` also matches objects that lack the label.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium.localkube.errors import ApiError, bad_request
from sympozium.localkube.resources import Resource
from sympozium.localkube.types import Object

_WORD = re.compile(r"\s*(?:(!=|==|=|!|<|>|,|\(|\))|([^\s=!<>,()]+))")
_NAME = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
_PREFIX = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_OPERATORS = frozenset({",", "(", ")", "=", "==", "!=", "<", ">", "!"})
_BOOLEAN = frozenset({"spec.hostNetwork", "spec.unschedulable"})
_NUMBER = {"status.successful": "status.succeeded", "status.replicas": "status.replicas"}
_SPECIAL = {
    "source": "source.component",
    "status.podIPs": "status.podIPs.none",  # may be named, and is compared as empty
}
GENERIC = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class Requirement:
    """`key in (values)`; the operators are in, notin, exists, absent, gt and lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        if self.operator == "notin":
            return value is None or value not in self.values
        if value is None:
            return False
        if self.operator == "in":
            return value in self.values
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


@dataclass(frozen=True, slots=True)
class LabelSelector:
    requirements: tuple[Requirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def matches(self, obj: Object) -> bool:
        labels = obj.get("metadata", {}).get("labels") or {}
        return all(requirement.matches(labels) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    path: str
    negated: bool
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    terms: tuple[FieldTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def exact(self, path: str) -> str | None:
        """The value that `path` must have, if the selector says so."""
        for term in self.terms:
            if term.path == path and not term.negated:
                return term.value
        return None

    def matches(self, obj: Object) -> bool:
        return all((field_value(obj, term.path) == term.value) != term.negated for term in self.terms)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words: list[str] = []
        end = len(text.rstrip())
        at = 0
        while at < end:
            match = _WORD.match(text, at)
            assert match is not None, "every character is an operator, a space or part of a word"
            self._words.append(match.group(1) or match.group(2))
            at = match.end()
        self._at = 0

    def peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def take(self) -> str:
        word = self.peek()
        self._at += 1
        return word

    def parse(self) -> LabelSelector:
        found: list[Requirement] = []
        while self._at < len(self._words):
            word = self.peek()
            if word != "!" and word in _OPERATORS:
                raise bad_request(f"found '{word}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            word = self.take()
            if word == "":
                break
            if word != ",":
                raise bad_request(f"found '{word}', expected: ',' or 'end of string'")
            if self.peek() == "" or (self.peek() != "!" and self.peek() in _OPERATORS):
                raise bad_request(f"found '{self.peek()}', expected: identifier after ','")
        return LabelSelector(tuple(found))

    def _requirement(self) -> Requirement:
        negated = self.peek() == "!"
        if negated:
            self.take()
        key = self.take()
        if key == "" or key in _OPERATORS:
            raise _unparsable(key, "identifier")
        _check_key(key)
        if negated:
            return Requirement(key, "absent")
        operator = self.peek()
        if operator in {"", ","}:
            return Requirement(key, "exists")
        self.take()
        if operator in {"in", "notin"}:
            values = self._values()
            for index, value in enumerate(sorted(values)):
                _check_value(key, value, index)
            return Requirement(key, operator, values)
        names = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
        if operator not in names:
            raise _unparsable(operator, "in, notin, =, ==, !=, gt, lt")
        value = "" if self.peek() in {"", ","} else self.take()
        if value in _OPERATORS:
            raise _unparsable(value, "identifier")
        if operator in {"<", ">"} and not value.lstrip("-").isdigit():
            raise bad_request(
                f'unable to parse requirement: values[0]: Invalid value: "{value}": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        _check_value(key, value)
        return Requirement(key, names[operator], frozenset({value}))

    def _values(self) -> frozenset[str]:
        word = self.take()
        if word != "(":
            raise bad_request(f"unable to parse requirement: found '{word}' expected: '('")
        if self.peek() == ")":
            # An empty set is the set of the empty value, as the API server has it.
            self.take()
            return frozenset({""})
        if self.peek() == "" or (self.peek() != "," and self.peek() in _OPERATORS):
            raise _unparsable(self.peek(), "',', ')' or identifier")
        values: set[str] = set()
        while True:
            word = self.take()
            if word == ",":
                values.add("")
            else:
                values.add(word)
                if self.peek() not in {",", ")"}:
                    raise _unparsable(self.peek(), "',' or ')'")
                word = self.take()
            if word == ")":
                return frozenset(values)
            if self.peek() == ")":
                self.take()
                return frozenset({*values, ""})
            if self.peek() == "" or (self.peek() != "," and self.peek() in _OPERATORS):
                raise _unparsable(self.peek(), "',', or identifier")


def _unparsable(found: str, expected: str) -> ApiError:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    " (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_PREFIX_RULE = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and"
    " must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def _check_key(key: str) -> None:
    errors = _key_errors(key)
    if errors:
        shown = key.replace("\\", "\\\\").replace('"', '\\"')
        text = "; ".join(errors)
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{shown}": {text}')


def _key_errors(key: str) -> list[str]:
    parts = key.split("/")
    if len(parts) > 2:
        form = "an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_NAME_RULE} with {form}"]
    errors: list[str] = []
    if len(parts) == 2:
        if not parts[0]:
            errors.append("prefix part must be non-empty")
        elif not _PREFIX.match(parts[0]) or len(parts[0]) > 253:
            errors.append(_PREFIX_RULE)
    name = parts[-1]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _NAME.match(name):
        errors.append(f"name part {_NAME_RULE}")
    return errors


def _check_value(key: str, value: str, index: int = 0) -> None:
    if len(value) > 63:
        why = "must be no more than 63 bytes"
    elif value and not _NAME.match(value):
        why = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
            " start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used"
            " for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
    else:
        return
    raise bad_request(f'unable to parse requirement: values[{index}][{key}]: Invalid value: "{value}": {why}')


def parse_labels(text: str) -> LabelSelector:
    """Raises ApiError 400 with the API server's words."""
    return _Parser(text).parse() if text.strip() else LabelSelector()


def parse_fields(text: str, resource: Resource) -> FieldSelector:
    """Only fields that the resource declares; raises ApiError 400."""
    terms: list[FieldTerm] = []
    for part in _split(text):
        match = re.match(r"^((?:[^=!\\]|\\.)*)(==|!=|=)(.*)$", part, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = match.groups()
        value = _unescaped(value)
        if not _supported(path, resource):
            raise _unsupported_field(path, resource)
        terms.append(FieldTerm(path, operator == "!=", value))
    return FieldSelector(tuple(terms))


def _split(text: str) -> list[str]:
    parts = re.findall(r"((?:[^,\\]|\\.)*)(?:,|$)", text)
    return [part for part in parts if part.strip()]


def _unescaped(value: str) -> str:
    """A value without its escapes; `=`, `,` and a backslash have to be escaped. Raises ApiError 400."""
    out: list[str] = []
    at = iter(value)
    for char in at:
        if char == "\\":
            following = next(at, "")
            if following not in {"\\", ",", "="}:
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif char in {",", "="}:
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
    return "".join(out)


def _supported(path: str, resource: Resource) -> bool:
    if path in resource.selectable:
        return True
    if path == "metadata.namespace" and not resource.group and resource.kind in {"Namespace", "Node"}:
        return False
    return path in GENERIC


def _unsupported_field(path: str, resource: Resource) -> ApiError:
    if resource.kind == "Job" and resource.group == "batch":
        return bad_request(f'field label "{path}" not supported for Job')
    if resource.selectable or resource.custom:
        return bad_request(f"field label not supported: {path}")
    return bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def lookup(obj: Object, path: str) -> Any:
    """The value at a dotted path, None where a part is missing."""
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def field_value(obj: Object, path: str) -> str:
    """A field as selectors compare it: text, with the zero value of its type where it is missing."""
    value = lookup(obj, _NUMBER.get(path) or _SPECIAL.get(path) or path)
    if path in _NUMBER:
        return str(value or 0)
    if path in _BOOLEAN or isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
