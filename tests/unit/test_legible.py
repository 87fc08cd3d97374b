"""What a person sees of a model's text."""

import pytest

from sympozium.legible import legible, legible_value, mixed_words


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\tb\nc é 漢 🙂", "a\tb\nc é 漢 🙂"),
        ("rm\u202e x", r"rm\u{202e} x"),
        ("a\u200bb\u00adc", r"a\u{200b}b\u{ad}c"),
        ("\x1b[31m\r\x00", r"\u{1b}[31m\u{d}\u{0}"),
        ("\u3164\u2800\ufeff", r"\u{3164}\u{2800}\u{feff}"),
        ("\U000e0041\ud800", r"\u{e0041}\u{d800}"),
    ],
)
def test_legible(text: str, seen: str) -> None:
    assert legible(text) == seen
    assert legible_value({text: [text, 1]}) == {seen: [seen, 1]}


def test_words_that_mix_alphabets_are_named() -> None:
    assert mixed_words("für naïve кот ls") == []
    assert mixed_words("sudo \u0430pt") == ["\u0430pt (U+0430 in it)"]
    assert len(mixed_words(" ".join(f"a\u0430{'b' * n}" for n in range(9)))) == 5
