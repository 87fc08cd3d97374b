"""Validation rules, held against objects."""

import pytest

from sympozium.localkube.schema.cel.values import escaped, unescaped
from unit.localkube_semantics.schemas import INTEGER, STRING, custom, resource, spec_schema, told


def ruled(properties, *rules, **more):
    """A kind whose spec has rules; a rule may be its text alone."""
    texts = [rule if isinstance(rule, dict) else {"rule": rule} for rule in rules]
    return custom(spec_schema(properties, **{"x-kubernetes-validations": texts}, **more))


def held(info, spec, old=None):
    return told(info.validate(resource(spec), None if old is None else resource(old)))


def test_a_rule_that_fails_says_its_message():
    info = ruled(
        {"timeout": INTEGER, "grace": INTEGER},
        {"rule": "!has(self.grace) || self.timeout >= self.grace", "message": "timeout must be >= grace"},
    )
    assert held(info, {"timeout": 1}) == []
    assert held(info, {"timeout": 5, "grace": 5}) == []
    assert held(info, {"timeout": 1, "grace": 5}) == ["spec: Invalid value: timeout must be >= grace"]


def test_a_scalar_shows_its_value_and_a_rule_without_message_itself():
    info = custom(
        spec_schema({"n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self % 2 == 0"}]}})
    )
    assert held(info, {"n": 3}) == ["spec.n: Invalid value: 3: failed rule: self % 2 == 0"]
    assert held(info, {"n": 4}) == []


def test_message_expressions_reasons_and_field_paths():
    info = ruled(
        {"a": INTEGER, "b": INTEGER},
        {
            "rule": "self.a < self.b",
            "messageExpression": "'a is ' + string(self.a)",
            "message": "no",
            "reason": "FieldValueForbidden",
            "fieldPath": ".a",
        },
        {
            "rule": "self.b < 9",
            "messageExpression": "string(self.a / 0)",
            "message": "fallback",
            "reason": "FieldValueRequired",
        },
    )
    assert held(info, {"a": 2, "b": 1}) == ["spec.a: Forbidden: a is 2"]
    assert held(info, {"a": 1, "b": 9}) == ["spec: Required value: fallback"]


def test_transition_rules_run_on_updates_alone():
    info = custom(
        spec_schema(
            {
                "im": {
                    "type": "string",
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "im is immutable"}],
                },
                "x": INTEGER,
            }
        )
    )
    assert held(info, {"im": "a"}) == []
    assert held(info, {"im": "b"}, {"im": "a"}) == ['spec.im: Invalid value: "b": im is immutable']
    assert held(info, {"im": "b"}, {"x": 1}) == []
    assert held(info, {"x": 2}, {"im": "a"}) == []


def test_an_optional_old_value():
    info = ruled(
        {"n": INTEGER},
        {"rule": "oldSelf.hasValue() ? self.n >= oldSelf.value().n : self.n == 0", "optionalOldSelf": True},
    )
    assert held(info, {"n": 0}) == []
    assert held(info, {"n": 1}) != []
    assert held(info, {"n": 5}, {"n": 4}) == []
    assert held(info, {"n": 3}, {"n": 4}) != []


def test_rules_do_not_run_again_on_what_did_not_change():
    info = custom(
        spec_schema(
            {"n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 5"}]}, "m": INTEGER}
        )
    )
    assert held(info, {"n": 9, "m": 1}, {"n": 9, "m": 0}) == []
    assert held(info, {"n": 8, "m": 0}, {"n": 9, "m": 0}) != []


def test_items_and_values_have_rules_and_map_lists_have_old_items():
    item = {
        "type": "object",
        "required": ["k"],
        "properties": {"k": STRING, "v": INTEGER},
        "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "only up"}],
    }
    info = custom(
        spec_schema(
            {
                "l": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": item,
                },
                "m": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "integer",
                        "x-kubernetes-validations": [{"rule": "self > 0"}],
                    },
                },
            }
        )
    )
    old = {"l": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]}
    assert held(info, {"l": [{"k": "b", "v": 2}, {"k": "a", "v": 4}]}, old) == [
        "spec.l[1]: Invalid value: only up"
    ]
    assert held(info, {"m": {"x": 1, "y": 0}}) == ["spec.m[y]: Invalid value: 0: failed rule: self > 0"]


def test_a_rule_at_the_root_sees_the_name():
    schema = spec_schema({"n": INTEGER}) | {
        "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('a')"}]
    }
    assert held(custom(schema), {"n": 1}) == []
    other = resource({"n": 1})
    other["metadata"]["name"] = "b"
    assert told(custom(schema).validate(other, None)) == [
        "<nil>: Invalid value: failed rule: self.metadata.name.startsWith('a')"
    ]


def test_rules_wait_for_a_sound_structure_and_say_so():
    info = ruled({"n": INTEGER}, "self.n < 5")
    found = held(info, {"n": "x"})
    assert found[0].startswith("spec.n: Invalid value")
    assert found[1].startswith("<nil>: Invalid value: null: some validation rules were not checked")


def test_an_error_while_evaluating_is_a_failure():
    info = ruled({"n": INTEGER, "d": INTEGER}, {"rule": "self.n / self.d > 1", "message": "m"})
    assert held(info, {"n": 4, "d": 0}) == [
        'spec: Invalid value: "object": division by zero evaluating rule: m'
    ]
    assert held(info, {"n": 4}) == ['spec: Invalid value: "object": no such key: d evaluating rule: m']


def test_numbers_are_doubles_and_odd_names_are_escaped():
    info = ruled(
        {"f": {"type": "number"}, "a-b": INTEGER, "namespace": STRING},
        "self.f * 2.0 == 4.0",
        "self.a__dash__b == 1",
        "self.__namespace__ == 'x'",
    )
    assert held(info, {"f": 2, "a-b": 1, "namespace": "x"}) == []
    assert len(held(info, {"f": 3, "a-b": 2, "namespace": "y"})) == 3


@pytest.mark.parametrize("name", ["a-b", "a.b/c", "namespace", "x__y", "plain"])
def test_escaping_can_be_undone(name):
    assert unescaped(escaped(name)) == name


def test_times():
    when = {
        "type": "string",
        "format": "date-time",
        "x-kubernetes-validations": [{"rule": "self > timestamp('2026-01-01T00:00:00Z')"}],
    }
    for_ = {
        "type": "string",
        "format": "duration",
        "x-kubernetes-validations": [{"rule": "self <= duration('1h')"}],
    }
    info = custom(
        spec_schema(
            {"when": when, "for": for_},
            **{
                "x-kubernetes-validations": [
                    {"rule": "timestamp(self.when) < timestamp('2027-01-01T00:00:00Z')"}
                ]
            },
        )
    )
    assert held(info, {"when": "2026-05-01T00:00:00+02:00", "for": "30m"}) == []
    assert len(held(info, {"when": "2025-05-01T00:00:00Z", "for": "90m"})) == 2
    assert len(held(info, {"when": "2028-05-01T00:00:00Z", "for": "1h"})) == 1


@pytest.mark.parametrize(
    "rule",
    [
        "quantity('1Gi').isGreaterThan(quantity('1000Mi'))",
        "quantity(self.q).compareTo(quantity('500m')) == 0",
        "quantity('1').add(quantity('500m')) == quantity('1500m')",
        "quantity('2').sub(1).asInteger() == 1",
        "!isQuantity('1x') && isQuantity('1.5Ki')",
        "sign(quantity('-3')) == -1 && quantity('2.5').asApproximateFloat() == 2.5",
        "url('https://h.example:80/p/q?a=1&a=2').getHostname() == 'h.example'",
        "url('https://h.example:80/p?a=1&a=2').getQuery()['a'] == ['1', '2']",
        "isURL('https://x/y') && !isURL('nope')",
        "'abc123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "'a1b2'.findAll('[0-9]', 1) == ['1']",
        "self.l.sum() == 6 && self.l.max() == 3 && self.l.min() == 1 && self.l.isSorted()",
        "self.l.exists_one(x, x == 2) && self.l.map(x, x * 2) == [2, 4, 6]",
        "self.q.matches('^[0-9.]+$') && 'a,b'.split(',').size() == 2",
        "self.?missing.orValue('d') == 'd'",
        "optional.of(self.l.size()).optMap(n, n > 2 && n < 4).value()",
    ],
)
def test_functions(rule):
    info = ruled({"q": STRING, "l": {"type": "array", "items": INTEGER}, "missing": STRING}, rule)
    assert held(info, {"q": "0.5", "l": [1, 2, 3]}) == []


@pytest.mark.parametrize(
    "rule",
    [
        "quantity('1').isLessThan(quantity('1'))",
        "quantity('1').isGreaterThan(quantity('1'))",
        "isURL('x')",
        "quantity('1.5').isInteger()",
        "url('nope').getHost() == ''",
        "[2, 1].isSorted()",
        "'a'.find('[') == ''",
    ],
)
def test_functions_that_say_no_or_fail(rule):
    assert len(held(ruled({"q": STRING}, rule), {"q": "x"})) == 1


def test_lists_of_scalars_are_typed():
    tags = {
        "type": "array",
        "items": {"type": "number"},
        "x-kubernetes-validations": [{"rule": "self.all(x, x > 1.5) && self[0] * 2.0 > 3.0"}],
    }
    info = custom(spec_schema({"tags": tags}))
    assert held(info, {"tags": [2, 3]}) == []
    assert held(info, {"tags": [1]}) != []
