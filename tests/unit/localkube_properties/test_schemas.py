"""Validation, pruning and defaults of structural schemas, beside `jsonschema-rs` where both mean the same."""

import copy

import jsonschema_rs
from hypothesis import given, strategies as st

from sympozium.localkube.schema.defaulting import apply_defaults
from sympozium.localkube.schema.prune import prune, unknown_fields
from sympozium.localkube.schema.structural import compile_value
from sympozium.localkube.schema.validation import validate

KEYS = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(-2, 3)
STRINGS = st.sampled_from(["", "a", "ab", "abc", "x1", "é"])


def optional(base, **more):
    return st.fixed_dictionaries(base, optional=more)


LEAVES = st.one_of(
    optional(
        {"type": st.just("string")},
        minLength=st.integers(0, 2),
        maxLength=st.integers(0, 3),
        pattern=st.sampled_from(["^a", "b$", "[0-9]"]),
        enum=st.lists(STRINGS, min_size=1, max_size=3, unique=True),
    ),
    optional({"type": st.just("integer")}, minimum=SMALL, maximum=SMALL, multipleOf=st.integers(1, 3)),
    optional({"type": st.just("number")}, minimum=SMALL),
    st.just({"type": "boolean"}),
)


def nested(inner):
    arrays = optional(
        {"type": st.just("array"), "items": inner}, minItems=st.integers(0, 2), maxItems=st.integers(0, 2)
    )
    objects = optional(
        {"type": st.just("object"), "properties": st.dictionaries(KEYS, inner, max_size=3)},
        required=st.lists(KEYS, min_size=1, max_size=2, unique=True),
    )
    maps = optional(
        {"type": st.just("object"), "additionalProperties": inner}, minProperties=st.integers(0, 2)
    )
    return arrays | objects | maps


SCHEMAS = st.recursive(LEAVES, nested, max_leaves=6)
VALUES = st.recursive(
    st.one_of(STRINGS, SMALL, st.booleans(), st.sampled_from([0.5, 2.0])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
def test_what_is_valid_is_valid_for_another_validator(schema, value):
    """But for integers: a JSON 2.0 is one for JSON schema, and is none for Kubernetes only when it has a fraction."""
    ours = validate(copy.deepcopy(value), None, compile_value(copy.deepcopy(schema)))
    theirs = jsonschema_rs.validator_for(schema, validate_formats=False).is_valid(value)
    assert (ours == []) == theirs, ours


def known_only(value, schema):
    """What pruning keeps, by its definition."""
    if schema["type"] == "object" and isinstance(value, dict):
        if "additionalProperties" in schema:
            return {key: known_only(item, schema["additionalProperties"]) for key, item in value.items()}
        properties = schema.get("properties", {})
        return {key: known_only(item, properties[key]) for key, item in value.items() if key in properties}
    if schema["type"] == "array" and isinstance(value, list):
        return [known_only(item, schema["items"]) for item in value]
    return value


@given(SCHEMAS, VALUES)
def test_pruning_keeps_what_the_schema_names_and_nothing_else(schema, value):
    node = compile_value(copy.deepcopy(schema))
    pruned = prune(copy.deepcopy(value), node)
    assert pruned == known_only(value, schema)
    assert prune(copy.deepcopy(pruned), node) == pruned
    assert unknown_fields(pruned, node) == []
    assert bool(unknown_fields(value, node)) == (pruned != value)


def with_defaults(schema, given_default):
    """Every string property gets a default."""
    if schema["type"] == "object" and "properties" in schema:
        schema["properties"] = {k: with_defaults(v, given_default) for k, v in schema["properties"].items()}
    elif schema["type"] == "object":
        schema["additionalProperties"] = with_defaults(schema["additionalProperties"], given_default)
    elif schema["type"] == "array":
        schema["items"] = with_defaults(schema["items"], given_default)
    elif schema["type"] == "string":
        schema["default"] = given_default
    return schema


def filled(value, schema):
    if schema["type"] == "object" and isinstance(value, dict):
        if "properties" in schema:
            value = {**{k: s["default"] for k, s in schema["properties"].items() if "default" in s}, **value}
            return {
                k: filled(v, schema["properties"][k]) if k in schema["properties"] else v
                for k, v in value.items()
            }
        return {key: filled(item, schema["additionalProperties"]) for key, item in value.items()}
    if schema["type"] == "array" and isinstance(value, list):
        return [filled(item, schema["items"]) for item in value]
    return value


@given(SCHEMAS, VALUES)
def test_defaults_fill_what_is_absent_and_change_nothing_else(schema, value):
    schema = with_defaults(copy.deepcopy(schema), "dflt")
    node = compile_value(copy.deepcopy(schema))
    found = copy.deepcopy(value)
    apply_defaults(found, node)
    assert found == filled(value, schema)
    again = copy.deepcopy(found)
    apply_defaults(again, node)
    assert again == found
