"""Expressions with the results, errors and costs that a kube-apiserver 1.36's own environment gave for them.

`expressions.jsonl`: e the expression, self its variable, compile / program / err the error, v the value as cel-go
prints it, least / most the estimated cost, cost what the evaluation cost.
"""

import json
import math
from pathlib import Path

import pytest

from sympozium.cel.environment import Environment
from sympozium.cel.errors import CelError, CompileError, CostError
from sympozium.cel.estimate import estimate
from sympozium.cel.library.conversions import go_float, to_string
from sympozium.cel.types import DYN
from sympozium.cel.values import Duration, Optional, Timestamp, TypeValue, UInt, unkeyed

ROWS = [json.loads(line) for line in (Path(__file__).parent / "expressions.jsonl").read_text().splitlines()]
ENVIRONMENT = Environment({"self": DYN})


def shown(value):
    """A value as cel-go prints it; None for those that only Go can print."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case UInt():
            return f"{int(value)}u"
        case int():
            return str(value)
        case float():
            if math.isinf(value):
                return f'double("{"-" if value < 0 else ""}Infinity")'
            text = go_float(value)
            return text if "." in text or "e" in text else f"{text}.0"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return 'b"' + "".join(f"\\{byte:03o}" for byte in value) + '"'
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return (
                "{" + ", ".join(f"{shown(unkeyed(key))}: {shown(item)}" for key, item in value.items()) + "}"
            )
        case Optional():
            return f"optional.of({shown(value.value)})" if value.present else "optional.none()"
        case TypeValue():
            return value.name
        case Timestamp():
            return f'timestamp("{to_string(value)}")'
        case Duration():
            return f'duration("{to_string(value)}")'
    return None


def test_the_table_is_there():
    assert len(ROWS) > 400


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["e"][:60])
def test_an_expression_does_what_it_does_on_the_real_server(row):
    if "compile" in row or "program" in row:
        with pytest.raises(CompileError) as refused:
            ENVIRONMENT.compile(row["e"])
        assert str(refused.value) == row.get("compile", row.get("program"))
        return
    program = ENVIRONMENT.compile(row["e"])
    assert estimate(program.tree) == (row["least"], row["most"])
    if "err" in row:
        with pytest.raises(CelError) as failed:
            program.evaluate({"self": row.get("self")})
        assert str(failed.value) == row["err"]
        return
    value, cost = program.evaluate({"self": row.get("self")})
    assert cost == row["cost"]
    if "v" in row and (known := shown(value)) is not None:
        assert known == row["v"]


@pytest.mark.parametrize(
    "text",
    [
        "self.all(a, self.all(b, self.all(c, self.all(d, a + b + c + d >= 0))))",
        "lists.range(900000000).size() > 0",
        "lists.range(300000).all(x, lists.range(300000).exists(y, y == x))",
        "self.map(a, self.map(b, self)).size() > 0",
        "self.map(x, x).distinct().size() > 0",
        "sets.equivalent(self, self)",
        "'"
        + "a" * 1000
        + "'.replace('a', '"
        + "b" * 1000
        + "').replace('b', '"
        + "c" * 1000
        + "').size() > 0",
        "[self].all(l, (" + "+".join(["l"] * 200) + ").map(x, " + "+".join(["l"] * 200) + ").size() > 0)",
    ],
)
def test_what_would_take_all_time_or_memory_is_ended(text):
    with pytest.raises(CostError, match="operation cancelled: actual cost limit exceeded"):
        ENVIRONMENT.compile(text).evaluate({"self": list(range(2000))})


def test_a_pattern_cannot_run_away():
    program = ENVIRONMENT.compile("self.matches('(a+)+$')")
    value, _ = program.evaluate({"self": "a" * 20_000 + "b"})
    assert value is False


@pytest.mark.parametrize(
    "text", ["(" * 300 + "1" + ")" * 300, "+".join(["1"] * 300), "[1]" + ".map(x, x)" * 300, "!" * 9999 + "x"]
)
def test_depth_has_a_bound_that_is_an_error(text):
    with pytest.raises(CompileError):
        ENVIRONMENT.compile(text)


def test_deep_values_are_an_error_not_a_crash():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(CelError):
        ENVIRONMENT.compile("self == [self][0] && dyn(self) == dyn(self)").evaluate({"self": deep})
