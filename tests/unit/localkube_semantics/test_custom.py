"""Pruning, defaulting, nulls, validation and ratcheting of custom resources."""

import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st

from sympozium.goregex import compiled
from sympozium.localkube.errors import ApiError
from unit.localkube_semantics.schemas import (
    INTEGER,
    STRING,
    copy,
    created,
    custom,
    resource,
    spec_schema,
    told,
    updated,
)

FULL = spec_schema(
    {
        "agent": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[a-z]+$"},
        "n": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
        "mode": {"type": "string", "enum": ["auto", "ask"], "default": "auto"},
        "limit": {"x-kubernetes-int-or-string": True},
        "extra": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"k": {"type": "object", "properties": {"known": STRING}}},
        },
        "nul": {"type": "string", "nullable": True, "default": "d"},
        "nonul": {"type": "string", "default": "d"},
        "plain": STRING,
        "nested": {
            "type": "object",
            "default": {},
            "properties": {"x": {"type": "string", "default": "deep"}},
        },
        "optnested": {"type": "object", "properties": {"x": {"type": "string", "default": "deep"}}},
        "tools": {
            "type": "array",
            "maxItems": 5,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": STRING, "action": {"type": "string", "default": "allow"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "m": {"type": "object", "additionalProperties": STRING, "maxProperties": 2},
        "when": {"type": "string", "format": "date-time"},
        "emb": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "ratio": {"type": "number", "multipleOf": 0.1},
        "small": {"type": "integer", "format": "int32"},
    },
    required=["agent"],
)
TEST = custom(FULL, status=True)


def stored(**spec):
    return created(TEST, resource({"agent": "a", **spec}))["spec"]


def wrong(**spec):
    return told(TEST.validate(created(TEST, resource({"agent": "a", **spec})), None))


def test_defaults_go_only_into_objects_that_are_there():
    spec = stored(tools=[{"name": "x"}])
    assert (spec["n"], spec["mode"], spec["nested"]) == (3, "auto", {"x": "deep"})
    assert "optnested" not in spec
    assert stored(optnested={})["optnested"] == {"x": "deep"}
    assert spec["tools"] == [{"name": "x", "action": "allow"}]
    assert "spec" not in created(TEST, resource())


def test_a_default_is_a_value_of_its_own_each_time():
    first = stored()
    first["nested"]["x"] = "changed"
    assert stored()["nested"] == {"x": "deep"}


def test_an_explicit_null():
    spec = stored(nul=None, nonul=None, plain=None, m={"a": None})
    assert spec["nul"] is None
    assert spec["nonul"] == "d"
    assert "plain" not in spec
    assert spec["m"] == {}


def test_unknown_fields_are_found_and_pruned():
    obj = resource(
        {"agent": "a", "junk": 1, "tools": [{"name": "x", "odd": 1}], "extra": {"any": 1, "k": {"odd": 1}}},
        more=1,
    )
    obj["metadata"]["odd"] = 1
    obj["spec"]["emb"] = {"apiVersion": "v1", "kind": "X", "free": 1, "metadata": {"name": "x", "odd": 2}}
    assert TEST.unknown_fields(obj) == [
        "metadata.odd",
        "more",
        "spec.emb.metadata.odd",
        "spec.extra.k.odd",
        "spec.junk",
        "spec.tools[0].odd",
    ]
    spec = created(TEST, obj)["spec"]
    assert spec["extra"] == {"any": 1, "k": {}}
    assert "junk" not in spec
    assert spec["tools"] == [{"name": "x", "action": "allow"}]
    assert spec["emb"] == {"apiVersion": "v1", "kind": "X", "free": 1, "metadata": {"name": "x"}}


def test_whole_floats_of_integer_fields_are_integers():
    assert stored(n=4.0)["n"] == 4
    assert isinstance(stored(n=4.0)["n"], int)
    assert wrong(n=1.5) == [
        'spec.n: Invalid value: "number": spec.n in body must be of type integer: "number"'
    ]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"n": 11}, "spec.n: Invalid value: 11: spec.n in body should be less than or equal to 10"),
        ({"n": 0}, "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1"),
        ({"n": "x"}, 'spec.n: Invalid value: "string": spec.n in body must be of type integer: "string"'),
        ({"n": True}, 'spec.n: Invalid value: "boolean": spec.n in body must be of type integer: "boolean"'),
        ({"mode": "x"}, 'spec.mode: Unsupported value: "x": supported values: "auto", "ask"'),
        ({"agent": "ABC"}, "spec.agent: Invalid value: \"ABC\": spec.agent in body should match '^[a-z]+$'"),
        ({"agent": "a\n"}, "spec.agent: Invalid value: \"a\\n\": spec.agent in body should match '^[a-z]+$'"),
        ({"agent": "a" * 21}, "spec.agent: Too long: may not be more than 20 bytes"),
        (
            {"limit": True},
            'spec.limit: Invalid value: "boolean": spec.limit in body must be of type integer,string: "boolean"',
        ),
        (
            {"tools": [{"name": str(i)} for i in range(6)]},
            "spec.tools: Too many: 6: must have at most 5 items",
        ),
        ({"tools": [{"name": "x"}, {"name": "x"}]}, 'spec.tools[1]: Duplicate value: {"name":"x"}'),
        ({"tools": [{}]}, "spec.tools[0].name: Required value"),
        ({"tags": ["a", "b", "a"]}, 'spec.tags[2]: Duplicate value: "a"'),
        (
            {"tags": ["a", None]},
            'spec.tags[1]: Invalid value: "null": spec.tags[1] in body must be of type string: "null"',
        ),
        (
            {"m": {"a": 1}},
            'spec.m.a: Invalid value: "integer": spec.m.a in body must be of type string: "integer"',
        ),
        ({"m": {"a": "", "b": "", "c": ""}}, "spec.m: Too many: 3: must have at most 2 items"),
        (
            {"when": "yesterday"},
            'spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"',
        ),
        (
            {"when": "2026-02-30T00:00:00Z"},
            'spec.when: Invalid value: "2026-02-30T00:00:00Z": spec.when in body must be of type date-time: "2026-02-30T00:00:00Z"',
        ),
        ({"emb": {"kind": "X"}}, "spec.emb.apiVersion: Required value"),
        ({"ratio": 0.25}, "spec.ratio: Invalid value: 0.25: spec.ratio in body should be a multiple of 0.1"),
        (
            {"small": 2**31},
            '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.small',
        ),
    ],
)
def test_what_is_wrong_is_told_as_the_api_server_tells_it(spec, text):
    assert wrong(**spec) == [text]


def test_several_causes_one_for_each_field_and_an_empty_name():
    assert told(TEST.validate(created(TEST, resource({})), None)) == ["spec.agent: Required value"]
    causes = wrong(n=99, mode="q")
    assert [cause.partition(":")[0] for cause in causes] == ["spec.n", "spec.mode"]
    assert (
        wrong(agent="")[0]
        == 'spec.agent: Invalid value: "": spec.agent in body should be at least 1 chars long'
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"limit": 5},
        {"limit": "5%"},
        {"ratio": 0.3},
        {"ratio": 2},
        {"when": "2026-02-28T00:00:00.5+01:00"},
        {"tags": []},
        {"n": 10},
    ],
)
def test_what_is_right_has_no_causes(spec):
    assert wrong(**spec) == []


def test_ratcheting_lets_what_did_not_change_pass():
    strict = custom(spec_schema({"a": {"type": "integer", "maximum": 10}, "b": STRING}))
    old = resource({"a": 50, "b": "x"})
    assert strict.validate(resource({"a": 50, "b": "y"}), old) == []
    assert told(strict.validate(resource({"a": 51, "b": "x"}), old)) == [
        "spec.a: Invalid value: 51: spec.a in body should be less than or equal to 10"
    ]
    assert strict.validate(resource({"a": 50, "b": "y"}), None) != []


def test_ratcheting_follows_items_of_map_lists_by_key_and_forgives_no_keys():
    info = custom(
        spec_schema(
            {
                "l": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": {
                        "type": "object",
                        "required": ["k"],
                        "properties": {"k": STRING, "v": {"type": "integer", "maximum": 1}},
                    },
                }
            }
        )
    )
    old = resource({"l": [{"k": "a", "v": 5}, {"k": "b", "v": 0}]})
    assert info.validate(resource({"l": [{"k": "b", "v": 1}, {"k": "a", "v": 5}]}), old) == []
    assert info.validate(resource({"l": [{"k": "b", "v": 5}, {"k": "a", "v": 5}]}), old) != []
    twice = resource({"l": [{"k": "a"}, {"k": "a"}]})
    assert info.validate(copy(twice), twice) != []


def test_one_of_and_its_kin():
    info = custom(
        spec_schema(
            {
                "a": STRING,
                "b": STRING,
                "p": {"type": "integer", "not": {"enum": [7]}},
                "q": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            },
            oneOf=[{"required": ["a"]}, {"required": ["b"]}],
        )
    )
    assert info.validate(resource({"a": "x"}), None) == []
    both = told(info.validate(resource({"a": "x", "b": "y"}), None))
    assert both == [
        '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]
    none = told(info.validate(resource({}), None))
    assert none[0].endswith("(oneOf). Found none valid")
    assert told(info.validate(resource({"a": "x", "p": 7}), None)) == [
        '<nil>: Invalid value: "": "spec.p" must not validate the schema (not)'
    ]
    assert info.validate(resource({"a": "x", "q": "5%"}), None) == []


def test_status_is_dropped_at_creation_and_kept_apart_afterwards():
    made = created(TEST, resource({"agent": "a"}, status={"phase": "X"}))
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    info = custom(
        spec_schema({"n": INTEGER})
        | {
            "properties": {
                "spec": {"type": "object", "properties": {"n": INTEGER}},
                "status": {"type": "object", "properties": {"p": STRING}},
            }
        },
        status=True,
    )
    old = created(info, resource({"n": 1}))
    main = updated(info, {**copy(old), "spec": {"n": 2}, "status": {"p": "X"}}, old)
    assert "status" not in main
    assert main["metadata"]["generation"] == 2
    sent = {**copy(old), "spec": {"n": 9}, "status": {"p": "Y"}}
    sent["metadata"]["labels"] = {"q": "1"}
    status = updated(info, sent, old, "status")
    assert (status["spec"], status["status"]) == ({"n": 1}, {"p": "Y"})
    assert "labels" not in status["metadata"]
    assert status["metadata"]["generation"] == 1


def test_generation_counts_what_is_wanted():
    old = created(TEST, resource({"agent": "a", "n": 4}))
    new = copy(old)
    new["metadata"]["labels"] = {"a": "b"}
    assert updated(TEST, new, old)["metadata"]["generation"] == 1
    new["spec"]["n"] = 5
    assert updated(TEST, new, old)["metadata"]["generation"] == 2
    without = custom({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    old = created(without, resource(status={"a": 1}))
    assert updated(without, {**old, "status": {"a": 2}}, old)["metadata"]["generation"] == 2


def test_a_strategic_merge_is_415():
    with pytest.raises(ApiError) as caught:
        TEST.strategic_merge({}, {})
    assert caught.value.code == 415


def test_the_schema_may_say_what_names_look_like():
    info = custom(
        {
            "type": "object",
            "properties": {
                "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}
            },
        }
    )
    assert info.validate(resource(), None) == []
    long = resource()
    long["metadata"]["name"] = "toolong"
    assert told(info.validate(long, None)) == ["metadata.name: Too long: may not be more than 3 bytes"]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^a$", "a", "a\n"),
        ("^[[:alpha:]]+$", "ab", "a1"),
        (r"^\d$", "1", "\u0661"),
        (r"^a\z", "a", "a\n"),
        ("^[]a]$", "]", "b"),
        ("[$]", "$", "x"),
        (r"^\pL+$", "\u00e9", "1"),
        ("^(a+)+$", "a" * 50_000, "a" * 50_000 + "b"),  # an engine that goes back would take years
    ],
)
def test_patterns_are_go_s(pattern, yes, no):
    assert compiled(pattern).search(yes)
    assert not compiled(pattern).search(no)


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "[[:nope:]]", "((a{0,100}){0,100}){0,100}"])
def test_patterns_that_cannot_be_are_refused(pattern):
    with pytest.raises(ValueError, match=r"."):
        compiled(pattern)


# The same subset of JSON schema, by another implementation.

scalars = st.sampled_from(
    [
        {"type": "string", "minLength": 1, "maxLength": 3},
        {"type": "string", "enum": ["a", "bb"]},
        {"type": "string", "pattern": "^[ab]*$"},
        {"type": "integer", "minimum": 0, "maximum": 5},
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "multipleOf": 2},
        {"type": "number", "maximum": 1.5},
        {"type": "boolean"},
    ]
)


def containers(inner):
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner}, optional={"minItems": st.just(1), "maxItems": st.just(2)}
    )
    objects = st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
        },
        optional={"required": st.just(["a"]), "maxProperties": st.just(2)},
    )
    maps = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    return arrays | objects | maps


schemas = st.recursive(scalars, containers, max_leaves=6)
values = st.recursive(
    st.booleans() | st.integers(-2, 7) | st.sampled_from([0.5, 1.5, 2.0, "", "a", "bb", "abcd"]),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from("abc"), c, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100)
@given(schemas, values)
def test_valid_means_what_json_schema_means(schema, value):
    info = custom(spec_schema({"v": schema}))
    ours = not info.validate(resource({"v": copy(value)}), None)
    theirs = jsonschema_rs.Draft4Validator(schema).is_valid(value)
    # Draft 4 takes no whole float as an integer; the API server does.
    if not has_whole_float(value):
        assert ours == theirs


def has_whole_float(value):
    if isinstance(value, dict):
        return any(map(has_whole_float, value.values()))
    if isinstance(value, list):
        return any(map(has_whole_float, value))
    return isinstance(value, float) and value.is_integer()


@given(schemas, values)
def test_pruning_and_defaulting_are_idempotent_and_leave_nothing_unknown(schema, value):
    info = custom(spec_schema({"v": schema}))
    once = info.default(info.prune(resource({"v": copy(value)})))
    assert info.unknown_fields(once) == []
    assert info.default(info.prune(copy(once))) == once


def test_nulls_in_lists():
    info = custom(
        spec_schema(
            {
                "l": {"type": "array", "items": {"type": "string", "default": "d"}},
                "n": {"type": "array", "items": {"type": "string", "nullable": True}},
            }
        )
    )
    assert created(info, resource({"l": ["a", None], "n": [None]}))["spec"] == {"l": ["a", "d"], "n": [None]}
    assert info.validate(resource({"n": [None]}), None) == []


def test_all_of_tells_each_failure():
    info = custom(spec_schema({"a": {"type": "integer", "allOf": [{"minimum": 2}, {"multipleOf": 2}]}}))
    assert told(info.validate(resource({"a": 3}), None)) == [
        "spec.a: Invalid value: 3: spec.a in body should be a multiple of 2",
        '<nil>: Invalid value: "": "spec.a" must validate all the schemas (allOf)',
    ]
    assert told(info.validate(resource({"a": 1}), None))[-1].endswith("(allOf). None validated")
    assert info.validate(resource({"a": 4}), None) == []


def test_any_of_looks_into_fields_and_items():
    inner = [{"properties": {"l": {"items": {"minimum": 5}}}}, {"required": ["b"]}]
    info = custom(spec_schema({"l": {"type": "array", "items": INTEGER}, "b": STRING}, anyOf=inner))
    assert info.validate(resource({"l": [5, 6]}), None) == []
    assert info.validate(resource({"l": [1], "b": "x"}), None) == []
    assert (
        told(info.validate(resource({"l": [1]}), None))[0]
        == '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)'
    )
