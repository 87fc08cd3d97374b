"""`when` of a rule: a CEL expression over `args`, `tool`, `target` and `run`.

| variable | type | what it is |
|---|---|---|
| `args` | dyn | the arguments of the call, as the model gave them |
| `tool`, `target` | string | the tool, and the container that would execute it |
| `run` | dyn | what `sympozium.policy.context` says of the run |

The arguments come from a model that may be hostile, and whoever can make an expression fail must not gain by it. So
everything that is not a plain true or false ends in ConditionError, which denies the call: a mistake in
the expression, an argument that is not there, a value that is no bool, a value that CEL cannot hold (integers beyond
64 bits, text that is no Unicode), an evaluation beyond its cost.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sympozium.policy.call import Call

if TYPE_CHECKING:
    from sympozium.cel.environment import Environment, Program

COST: Final = 100_000
"""Of one evaluation, in CEL's units: about as many steps. Kubernetes allows 1,000,000 for a validation."""
DECISION_COST: Final = 1_000_000
"""Of all evaluations of one decision, so that a long list of rules does not multiply what an argument can cost."""
SECONDS: Final = 1.0
"""Of one evaluation: a few operations on large values cost little by the count and take their time."""
DEPTH: Final = 64
"""Levels of lists and objects in arguments."""
VALUES: Final = 100_000
"""Values in arguments, over all levels."""
_INT: Final = range(-(2**63), 2**63)


class ConditionError(Exception):
    """A condition that is neither true nor false. The message says why, in one line."""


class Subject:
    """What the conditions of one decision are about, made ready when the first of them asks."""

    __slots__ = ("_left", "_variables", "call")

    def __init__(self, call: Call) -> None:
        self.call = call
        self._variables: Mapping[str, Any] | None = None
        self._left = DECISION_COST

    def evaluate(self, program: "Program") -> Any:
        """The value of an expression. Raises ConditionError."""
        from sympozium.cel.errors import CostError

        try:
            if self._variables is None:
                self._variables = variables(self.call)
            value, cost = program.evaluate(self._variables, min(COST, self._left), SECONDS)
        except ConditionError:
            raise
        except CostError as error:
            # How much an evaluation had spent when it was ended is not told: all that it was given.
            self._left -= min(COST, self._left)
            raise ConditionError(_first_line(error)) from error
        except Exception as error:
            # Also a mistake of our own in the evaluator: hostile arguments must not get past a rule by finding one.
            raise ConditionError(_first_line(error) or type(error).__name__) from error
        self._left -= cost
        return value


class Condition:
    """One `when`, compiled when it is first asked."""

    __slots__ = ("_problem", "_program", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._program: Program | None = None
        self._problem: str | None = None

    def holds(self, subject: Subject) -> bool:
        """Raises ConditionError for everything but true and false."""
        if self._problem is not None:
            raise ConditionError(self._problem)
        if self._program is None:
            try:
                self._program = compiled(self.text)
            except ConditionError as error:
                self._problem = str(error)
                raise
        value = subject.evaluate(self._program)
        if value is True:
            return True
        if value is False:
            return False
        raise ConditionError(f"it must give true or false, and gave {_said(value)}")


def compiled(text: str) -> "Program":
    """The program of an expression. Raises ConditionError with the place of the mistake."""
    from sympozium.cel.errors import CelError

    try:
        program = _environment().compile(text)
    except CelError as error:
        raise ConditionError(_first_line(error)) from error
    if program.type.kind not in {"bool", "dyn"}:
        raise ConditionError(f"it must give true or false, and gives {program.type}")
    return program


@cache
def _environment() -> "Environment":
    # Loaded with the first condition: a run whose policy has none does not pay for the evaluator.
    from sympozium.cel.environment import Environment
    from sympozium.cel.types import DYN, STRING

    return Environment({"args": DYN, "tool": STRING, "target": STRING, "run": DYN})


def variables(call: Call) -> Mapping[str, Any]:
    """The variables of a call as CEL's values. Raises ConditionError for what CEL cannot hold."""
    args = dict(call.args)
    _check([args, call.tool, call.target])
    return {"args": args, "tool": call.tool, "target": call.target, "run": dict(call.run)}


def _check(whole: Any) -> None:
    """Walks without recursion: the depth is the model's choice."""
    pending, level, count = [whole], 0, 0
    while pending:
        count += len(pending)
        if level > DEPTH + 1:
            raise ConditionError(f"the arguments are nested deeper than {DEPTH} levels")
        if count > VALUES:
            raise ConditionError(f"the call has more than {VALUES} values")
        below: list[Any] = []
        for value in pending:
            _plain(value)
            if isinstance(value, dict):
                for key in value:
                    if type(key) is not str:
                        raise ConditionError("the call has a key that is no text")
                    _plain(key)
                below += value.values()
            elif isinstance(value, list):
                below += value
        pending, level = below, level + 1


def _plain(value: Any) -> None:
    kind = type(value)
    if kind is str:
        if not value.isascii() and _broken(value):
            raise ConditionError("the call has text that is no Unicode (half of a surrogate pair)")
    elif kind is int:
        if value not in _INT:
            raise ConditionError("the call has an integer beyond 64 bits")
    elif kind is float:
        if not math.isfinite(value):
            raise ConditionError("the call has a number that JSON does not know (infinite, or none)")
    elif value is not None and kind not in {bool, dict, list}:
        raise ConditionError(f"the call has a value that JSON does not know ({kind.__name__})")


def _broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _said(value: Any) -> str:
    from sympozium.cel.values import type_name

    return f"a value of type {type_name(value)}"


def _first_line(error: Exception) -> str:
    """Without the drawing of the place, which needs several lines; the place itself is in the first."""
    return str(error).split("\n", 1)[0].removeprefix("ERROR: ")
