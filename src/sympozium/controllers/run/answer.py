"""What a request of a run is answered: text for the model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok` false is a refusal or a failure, said why."""

    ok: bool
    text: str


def unfit(text: str) -> str:
    """What keeps a text out of an object, in words: lone surrogates are no Unicode, and NUL is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is no Unicode text: it has half of a surrogate pair"
    return "has a NUL character" if "\0" in text else ""
