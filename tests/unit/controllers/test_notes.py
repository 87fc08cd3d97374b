"""What becomes of notes, and what a run is told of them."""

import pytest
from tests.unit.controllers.make import instance

from sympozium.api import memory
from sympozium.api.instance import Memory
from sympozium.controllers.run.notes import rewritten

SETTINGS = Memory(max_size_kb=1)


def test_notes_are_lines_of_a_list_in_the_order_of_their_writing() -> None:
    first, wrong = rewritten("", "append", "  the pod lies ", SETTINGS)
    assert (first, wrong) == ("- the pod lies\n", "")
    second, _ = rewritten(first, "append", "two\nlines", SETTINGS)
    assert second == "- the pod lies\n- two\n  lines\n"
    # What a person wrote without an end of line is not glued to.
    assert rewritten("by hand", "append", "more", SETTINGS)[0] == "by hand\n- more\n"


def test_replace_writes_all_anew() -> None:
    assert rewritten("- old\n", "replace", "# New\ntext", SETTINGS) == ("# New\ntext\n", "")


def test_full_notes_are_refused_and_stay() -> None:
    full = "x" * 1020 + "\n"
    text, wrong = rewritten(full, "append", "more", SETTINGS)
    assert text == ""
    assert "1028 bytes, 1024 are the most" in wrong
    # Bytes, as the API counts them, not characters.
    assert "1025 bytes" in rewritten("", "replace", "ä" * 512, SETTINGS)[1]
    assert rewritten(full, "replace", "short", SETTINGS) == ("short\n", "")


@pytest.mark.parametrize(("text", "words"), [(" \n", "empty"), ("a\0b", "NUL"), ("\ud800", "surrogate")])
def test_what_is_no_note(text: str, words: str) -> None:
    assert words in rewritten("", "append", text, SETTINGS)[1]


def test_secrets_of_known_shapes_are_not_kept() -> None:
    assert "ghp_" not in rewritten("", "append", "token ghp_" + "a" * 36, SETTINGS)[0]


def test_seeds_are_what_there_is_before_the_first_note() -> None:
    settings = Memory(seeds=["check  the\nnodes", "report"])
    assert memory.text_of(None, settings) == "- check the nodes\n- report\n"
    assert memory.text_of(memory.manifest("sre", "team", ""), settings) == ""


def test_a_config_map_of_somebody_else_is_not_taken_for_notes() -> None:
    made = memory.manifest("sre", "team", "x")
    assert memory.is_memory(made, "sre")
    assert not memory.is_memory(made, "other")
    assert not memory.is_memory({"metadata": {"name": "sre-memory"}}, "sre")
    long = "i" * 253
    assert memory.is_memory(memory.manifest(long, "team", ""), long)
    assert len(memory.config_map_name(long)) <= 63


def test_memory_is_off_unless_it_is_asked_for() -> None:
    assert instance().spec.memory is None


def test_notes_stay_below_what_a_config_map_holds_whatever_the_instance_says() -> None:
    assert memory.most(Memory(max_size_kb=2048)) == 512 * 1024
    assert memory.most(Memory()) == 256 * 1024
    assert (
        "524288 are the most" in rewritten("", "replace", "x" * (512 * 1024 + 1), Memory(max_size_kb=2048))[1]
    )
