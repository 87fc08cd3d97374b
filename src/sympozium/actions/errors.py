"""Why an action was not done. The text says what is wrong, where, and what to do.

ActionError
├── UsageError        asked for in a way that cannot be
├── MissingError      what it is about is not there
├── StaleError        it is not any more what the person saw when deciding
└── UnavailableError  a part of the installation does not answer
"""


class ActionError(Exception):
    """Base of all."""


class UsageError(ActionError):
    """The request contradicts itself, or a value of it cannot be read: never right, however often it is tried."""


class MissingError(ActionError):
    """An object that the action needs does not exist."""


class StaleError(ActionError):
    """Look again, and decide again."""


class UnavailableError(ActionError):
    """Trying later, or mending the installation, is right."""
