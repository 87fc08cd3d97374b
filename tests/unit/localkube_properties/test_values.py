"""Quantities against fractions, ages against their definition, label selectors against sets, protobuf against JSON."""

import datetime as dt
from fractions import Fraction

from hypothesis import given, strategies as st

from sympozium.localkube import protobuf
from sympozium.localkube.schema.amounts import canonical
from sympozium.localkube.selectors import parse_labels
from sympozium.localkube.tables.age import age, duration
from sympozium.quantities import parse

BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
NUMBERS = st.builds(
    lambda sign, whole, part: f"{sign}{whole}{part}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 5000),
    st.sampled_from(["", ".", ".5", ".25", ".125", ".001", ".000000001", ".0000000001"]),
)
UNITS = st.sampled_from([*BINARY, *DECIMAL, "e3", "E3", "e-3", "e0", "e30"])
QUANTITIES = st.tuples(NUMBERS, UNITS)


def fraction(quantity):
    number, unit = quantity
    if unit in BINARY:
        return Fraction(number.rstrip(".")) * 2 ** BINARY[unit]
    power = DECIMAL[unit] if unit in DECIMAL else int(unit[1:])
    return Fraction(number.rstrip(".")) * Fraction(10) ** power


def rounded(amount):
    """To a billionth, away from zero."""
    scaled = abs(amount) * 10**9
    whole = -(-scaled.numerator // scaled.denominator)
    return Fraction(whole, 10**9) * (-1 if amount < 0 else 1)


@given(QUANTITIES, QUANTITIES)
def test_quantities_are_exact(first, second):
    left, right = parse("".join(first)), parse("".join(second))
    assert Fraction(left) == fraction(first)
    assert (left < right) == (fraction(first) < fraction(second))
    assert (left == right) == (fraction(first) == fraction(second))


@given(QUANTITIES)
def test_the_canonical_form_is_the_same_amount_and_its_own_canonical_form(quantity):
    text = canonical("".join(quantity))
    amount = rounded(fraction(quantity))
    if quantity[1] in BINARY:
        amount = max(min(amount, Fraction(2**63 - 1)), Fraction(1 - 2**63))
    assert Fraction(parse(text)) == amount
    assert canonical(text) == text
    assert "." not in text
    assert not text.startswith("+")


@given(st.integers(0, 60 * 60 * 24 * 366 * 12))
def test_ages_name_the_right_amount_in_at_most_two_units(seconds):
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 86400 * 365}
    text = duration(seconds)
    total, number, units = 0, "", []
    for char in text:
        if char.isdigit():
            number += char
        else:
            total, number = total + int(number) * sizes[char], ""
            units.append(char)
    assert 1 <= len(units) <= 2
    assert total <= seconds < total + sizes[units[0]]
    # The younger of two never shows more.
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    born = now - dt.timedelta(seconds=seconds)
    assert age(born.isoformat().replace("+00:00", "Z"), now) == text


LABEL_KEYS = st.sampled_from(["a", "b", "example.com/c"])
LABEL_VALUES = st.sampled_from(["x", "y", "z", ""])
LABELS = st.dictionaries(LABEL_KEYS, LABEL_VALUES, max_size=3)
SETS = st.lists(LABEL_VALUES.filter(bool), min_size=1, max_size=3)
TERMS = st.one_of(
    st.tuples(st.sampled_from(["=", "==", "!="]), LABEL_KEYS, LABEL_VALUES.map(lambda value: [value])),
    st.tuples(st.sampled_from(["in", "notin"]), LABEL_KEYS, SETS),
    st.tuples(st.sampled_from(["exists", "absent"]), LABEL_KEYS, st.just([])),
)


def written(term):
    operator, key, values = term
    if operator in {"in", "notin"}:
        return f"{key} {operator} ({','.join(values)})"
    return {"exists": key, "absent": f"!{key}"}.get(operator) or f"{key}{operator}{values[0]}"


def holds(term, labels):
    operator, key, values = term
    there = labels.get(key)
    return {
        "=": there in values, "==": there in values, "in": there in values,
        "!=": there not in values, "notin": there not in values,
        "exists": key in labels, "absent": key not in labels,
    }[operator]  # fmt: skip


@given(st.lists(TERMS, min_size=1, max_size=4), LABELS)
def test_label_selectors_are_the_conjunction_of_their_terms(terms, labels):
    selector = parse_labels(",".join(map(written, terms)))
    assert selector.matches({"metadata": {"labels": labels}}) == all(holds(term, labels) for term in terms)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def piece(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def text(field, value):
    return piece(field, value.encode())


def pairs(field, mapping):
    """A map is a repeated message of key 1 and value 2."""
    return b"".join(piece(field, text(1, key) + text(2, value)) for key, value in mapping.items())


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MAPS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=4)


@given(TEXTS.filter(bool), MAPS, MAPS, st.integers(0, 2**62))
def test_what_is_encoded_as_protobuf_is_decoded(name, labels, data, generation):
    """ConfigMap: metadata 1 (name 1, generation 7, labels 11), data 2; in an envelope of runtime.Unknown."""
    metadata = text(1, name) + varint(7 << 3) + varint(generation) + pairs(11, labels)
    raw = piece(1, metadata) + pairs(2, data)
    body = b"k8s\0" + piece(1, text(1, "v1") + text(2, "ConfigMap")) + piece(2, raw)
    found = protobuf.decode(body)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMap", "v1")
    assert found["metadata"]["name"] == name
    assert found["metadata"].get("labels", {}) == labels
    assert found.get("data", {}) == data
    assert found["metadata"].get("generation", 0) == generation
