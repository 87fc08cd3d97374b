"""Full-text search with words that people type: nothing that they type is syntax.

Each word is a quoted string of FTS5, in which `"` alone has a meaning and is doubled; the last one may be the beginning of
a word, since people type on. What was found is handed out in pieces of text, never as markup: where the hit begins and ends
is marked by a word that is drawn anew for each query, so that no text can pretend to be a hit.
https://www.sqlite.org/fts5.html#full_text_query_syntax
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIELDS: Final = ("name", "task", "result", "error", "instance")
"""What is searched, in the order in which hits are shown."""
INDEXED: Final = 16_384
"""Characters of each field that are searched: a task may have a quarter of a million."""
WORDS: Final = 10
"""Different words of a search: each is looked up in all texts, while other searches wait."""
_TOKENS: Final = 24
"""About how many words of a text are shown around a hit."""
SCHEMA: Final = (
    f"CREATE VIRTUAL TABLE texts USING fts5({', '.join(FIELDS)}, columnsize=0,"
    " tokenize='unicode61 remove_diacritics 2')"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A hit, with the text before and after it."""

    field: str
    before: str
    hit: str
    after: str


def clean(text: str) -> str:
    """What SQLite can keep: a model can write half of a surrogate pair, and NUL ends a string there."""
    return text[:INDEXED].encode("utf-8", "replace").decode().replace("\0", " ")


def expression(typed: str) -> str:
    """The query of FTS5 for what somebody typed: all words, the last one as a beginning. Empty without any word.

    Raises ValueError for too many.
    """
    words = clean(typed).split()
    if not words:
        return ""
    words = [*dict.fromkeys(words[:-1]), words[-1]]
    if len(words) > WORDS:
        raise ValueError(f"q: {len(words)} words are too many to search for: take the {WORDS} rarest")
    quoted = ['"{}"'.format(word.replace('"', '""')) for word in words]
    return " ".join(quoted) + "*"


class Marks:
    """Where hits begin and end, for one query."""

    def __init__(self) -> None:
        self._begin, self._end = (f"<{secrets.token_hex(12)}>" for _ in range(2))

    @property
    def columns(self) -> str:
        """The SQL of a snippet of each field."""
        return ", ".join(
            f"snippet(texts, {column}, '{self._begin}', '{self._end}', '…', {_TOKENS})"
            for column in range(len(FIELDS))
        )

    def pieces(self, snippets: Sequence[str]) -> list[Piece]:
        """The first hit of each field that has one."""
        found = []
        for field, text in zip(FIELDS, snippets, strict=True):
            before, begin, rest = text.partition(self._begin)
            if begin:
                hit, _, after = rest.partition(self._end)
                after = after.replace(self._begin, "").replace(self._end, "")
                found.append(Piece(field, before, hit, after))
        return found
