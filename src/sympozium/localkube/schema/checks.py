"""What a schema says about a value beside its type: limits, patterns, enums, formats, junctors.

Each keyword is compiled once into a closure that appends causes. The texts are those of the validator in
kube-apiserver, which clients match and people search for. https://json-schema.org/draft-04, as far as
structural schemas allow it.
"""

from collections.abc import Callable
from typing import Any

from sympozium import goregex
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.formats import CHECKS
from sympozium.localkube.schema.node import INT_OR_STRING, INTEGER, is_whole
from sympozium.localkube.types import Cause

Check = Callable[[Any, str, list[Cause]], None]
Schema = dict[str, Any]
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    INT_OR_STRING: (int, str),
}
_RANGES = {"int32": 31, "int64": 63}


def type_name(value: Any) -> str:
    return "null" if value is None else _NAMES[type(value)]


def has_type(value: Any, wanted: str) -> bool:
    """Whether a JSON value has the type; whole floats are integers, booleans are no numbers."""
    found = type(value)
    return found in _TYPES[wanted] or (found is float and wanted == INTEGER and is_whole(value))


def wrong_type(path: str, value: Any, wanted: str) -> Cause:
    shown = gotext.quoted(type_name(value))
    wanted = "integer,string" if wanted == INT_OR_STRING else wanted
    return Cause(
        path or "<nil>",
        "FieldValueTypeInvalid",
        f"Invalid value: {shown}: {_body(path)} must be of type {wanted}: {shown}",
    )


def _body(path: str) -> str:
    return f"{path} in body"


def compile_checks(schema: Schema, type_: str) -> tuple[Check, ...]:
    """The checks of one place. Raises ValueError for a pattern that is no regular expression."""
    checks: list[Check] = []
    if "enum" in schema:
        checks.append(_enum(list(schema["enum"])))
    checks += _numbers(schema)
    checks += _strings(schema)
    checks += _sizes(schema)
    if type_ == INTEGER and schema.get("format") in _RANGES:
        checks.append(_range(schema["format"]))
    checks += _junctors(schema)
    return tuple(checks)


def _enum(values: list[Any]) -> Check:
    words = [value if isinstance(value, str) else gotext.shown(value) for value in values]

    def check(value: Any, path: str, out: list[Cause]) -> None:
        if not any(same(value, allowed) for allowed in values):
            out.append(gotext.unsupported(path, value, words))

    return check


def _is_number(value: Any) -> bool:
    return value.__class__ in {int, float}


def _numbers(schema: Schema) -> list[Check]:
    checks: list[Check] = []

    def add(keyword: str, fails: Callable[[Any, Any], bool], text: str) -> None:
        limit = schema[keyword]

        def check(value: Any, path: str, out: list[Cause]) -> None:
            if _is_number(value) and fails(value, limit):
                out.append(gotext.invalid(path, value, f"{_body(path)} {text} {_plain(limit)}"))

        checks.append(check)

    if "maximum" in schema:
        if schema.get("exclusiveMaximum"):
            add("maximum", lambda value, limit: value >= limit, "should be less than")
        else:
            add("maximum", lambda value, limit: value > limit, "should be less than or equal to")
    if "minimum" in schema:
        if schema.get("exclusiveMinimum"):
            add("minimum", lambda value, limit: value <= limit, "should be greater than")
        else:
            add("minimum", lambda value, limit: value < limit, "should be greater than or equal to")
    if "multipleOf" in schema:
        add("multipleOf", _not_multiple, "should be a multiple of")
    return checks


def _not_multiple(value: float, factor: float) -> bool:
    # By quotient, so that 0.3 is a multiple of 0.1, as in the API server.
    quotient = value / factor
    return abs(quotient - round(quotient)) > 1e-9 * max(1.0, abs(quotient))


def _plain(limit: Any) -> str:
    return str(int(limit)) if isinstance(limit, float) and limit.is_integer() else str(limit)


def _range(form: str) -> Check:
    bound = 2 ** _RANGES[form]

    def check(value: Any, path: str, out: list[Cause]) -> None:
        if _is_number(value) and not -bound <= value < bound:
            why = f"Checked value must be of type integer with format {form} in {path}"
            out.append(gotext.invalid("<nil>", "", why))

    return check


def _strings(schema: Schema) -> list[Check]:
    checks: list[Check] = []
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    regex = goregex.compiled(pattern) if pattern else None
    if longest is not None or shortest is not None or regex is not None:

        def text(value: Any, path: str, out: list[Cause]) -> None:
            # Of length and pattern the first that fails is told.
            if value.__class__ is not str:
                return
            if longest is not None and len(value) > longest:
                out.append(gotext.too_long(path, longest))
            elif shortest is not None and len(value) < shortest:
                why = f"{_body(path)} should be at least {shortest} chars long"
                out.append(gotext.invalid(path, value, why))
            elif regex is not None and not regex.search(value):
                out.append(gotext.invalid(path, value, f"{_body(path)} should match '{pattern}'"))

        checks.append(text)
    form = schema.get("format")
    if form in CHECKS:
        well_formed = CHECKS[form]

        def formatted(value: Any, path: str, out: list[Cause]) -> None:
            if value.__class__ is str and not well_formed(value):
                shown = gotext.shown(value)
                why = f"Invalid value: {shown}: {_body(path)} must be of type {form}: {shown}"
                out.append(Cause(path, "FieldValueTypeInvalid", why))

        checks.append(formatted)
    return checks


def _sizes(schema: Schema) -> list[Check]:
    checks: list[Check] = []
    for container, word, most, least in (
        (list, "items", schema.get("maxItems"), schema.get("minItems")),
        (dict, "properties", schema.get("maxProperties"), schema.get("minProperties")),
    ):
        if most is not None or least is not None:
            checks.append(_size(container, word, most, least))
    return checks


def _size(container: type[Any], word: str, most: int | None, least: int | None) -> Check:
    def check(value: Any, path: str, out: list[Cause]) -> None:
        if not isinstance(value, container):
            return
        if most is not None and len(value) > most:
            out.append(gotext.too_many(path, len(value), most))
        if least is not None and len(value) < least:
            out.append(gotext.invalid(path, len(value), f"{_body(path)} should have at least {least} {word}"))

    return check


def _junctors(schema: Schema) -> list[Check]:
    checks: list[Check] = []
    for keyword, make in (("allOf", _all_of), ("anyOf", _any_of), ("oneOf", _one_of)):
        if schema.get(keyword):
            checks.append(make([_value_schema(inner) for inner in schema[keyword]]))
    if schema.get("not"):
        refused = _value_schema(schema["not"])

        def negated(value: Any, path: str, out: list[Cause]) -> None:
            if not _errors(refused, value, path):
                out.append(_junction(path, "must not validate the schema (not)"))

        checks.append(negated)
    return checks


def _junction(path: str, text: str) -> Cause:
    return gotext.invalid("<nil>", "", f'"{path}" {text}')


def _nearest(results: list[list[Cause]]) -> list[Cause]:
    """Of several failures the one that is told: the alternative that failed least."""
    return min(results, key=lambda causes: len(causes))  # noqa: PLW0108  # mypy cannot infer through len


def _errors(check: Check, value: Any, path: str) -> list[Cause]:
    found: list[Cause] = []
    check(value, path, found)
    return found


def _all_of(schemas: list[Check]) -> Check:
    def check(value: Any, path: str, out: list[Cause]) -> None:
        results = [_errors(schema, value, path) for schema in schemas]
        failed = [result for result in results if result]
        for result in failed:
            out.extend(result)
        if failed:
            none = ". None validated" if len(failed) == len(results) else ""
            out.append(_junction(path, f"must validate all the schemas (allOf){none}"))

    return check


def _any_of(schemas: list[Check]) -> Check:
    def check(value: Any, path: str, out: list[Cause]) -> None:
        results = [_errors(schema, value, path) for schema in schemas]
        if all(results):
            out.append(_junction(path, "must validate at least one schema (anyOf)"))
            out.extend(_nearest(results))

    return check


def _one_of(schemas: list[Check]) -> Check:
    def check(value: Any, path: str, out: list[Cause]) -> None:
        results = [_errors(schema, value, path) for schema in schemas]
        valid = sum(not result for result in results)
        if valid == 1:
            return
        found = "Found none valid" if not valid else f"Found {valid} valid alternatives"
        out.append(_junction(path, f"must validate one and only one schema (oneOf). {found}"))
        if not valid:
            out.extend(_nearest(results))

    return check


def _value_schema(schema: Schema) -> Check:
    """A schema inside a junctor: it restricts values and says nothing about structure."""
    type_ = schema.get("type", "")
    checks = compile_checks(schema, type_)
    properties = {key: _value_schema(inner) for key, inner in (schema.get("properties") or {}).items()}
    items = _value_schema(schema["items"]) if isinstance(schema.get("items"), dict) else None
    extra = schema.get("additionalProperties")
    additional = _value_schema(extra) if isinstance(extra, dict) else None
    required = tuple(schema.get("required") or ())

    def check(value: Any, path: str, out: list[Cause]) -> None:
        if value is None:
            return
        if type_ and not has_type(value, type_):
            out.append(wrong_type(path, value, type_))
            return
        for inner in checks:
            inner(value, path, out)
        if isinstance(value, dict):
            out.extend(
                gotext.required(f"{path}.{key}" if path else key) for key in required if key not in value
            )
            for key, item in value.items():
                below = properties.get(key, additional)
                if below is not None:
                    below(item, f"{path}.{key}" if path else key, out)
        elif isinstance(value, list) and items is not None:
            for index, item in enumerate(value):
                items(item, f"{path}[{index}]", out)

    return check
