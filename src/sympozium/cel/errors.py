"""What can go wrong with an expression."""


class CelError(ValueError):
    """Base of what a caller may want to catch at once."""


class CompileError(CelError):
    """The text is no valid expression: the message has all findings, each with its place."""


class EvaluationError(CelError):
    """The expression has no value for this input: `no such key: a`. Logical operators absorb it."""


class CostError(CelError):
    """The evaluation was ended, because it cost more than it may."""


class NoOverloadError(EvaluationError):
    """A function does not take a value of this type."""

    def __init__(self, text: str = "no such overload") -> None:
        super().__init__(text)
