"""Files of the workspace: text by lines, binaries named, writes atomic, edits all or none."""

import os
from pathlib import Path

import pytest

from sympozium.shell import files
from sympozium.shell.files import OperationError


def test_reading_lines(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one\ntwo\nthree\n")
    whole = files.read_file(str(tmp_path), "f")
    assert (whole["text"], whole["totalLines"], whole["truncated"]) == ("one\ntwo\nthree\n", 3, False)
    part = files.read_file(str(tmp_path), "f", offset=2, limit=1)
    assert (part["text"], part["lines"], part["truncated"]) == ("two\n", 1, True)
    assert files.read_file(str(tmp_path), "f", offset=3, limit=1)["truncated"] is False


def test_an_offset_behind_the_end_says_how_long_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one\n")
    with pytest.raises(OperationError, match="has 1 lines, offset 5"):
        files.read_file(str(tmp_path), "f", offset=5)


def test_an_empty_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert files.read_file(str(tmp_path), "f")["text"] == ""


def test_a_read_is_bounded_also_within_one_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * (files.MAX_READ + 10))
    result = files.read_file(str(tmp_path), "f")
    assert len(result["text"]) == files.MAX_READ
    assert result["truncated"] is True


def test_a_binary_file_is_named_not_shown(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\x89PNG\0\1")
    with pytest.raises(OperationError, match=r"binary file of 6 bytes \(it starts with 89 50 4e 47"):
        files.read_file(str(tmp_path), "f")


@pytest.mark.parametrize(
    "operation", [files.read_file, lambda r, p: files.edit_file(r, p, [{"old": "a", "new": "b"}])]
)
def test_a_fifo_or_directory_does_not_hang(tmp_path: Path, operation) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()
    for name in ("fifo", "dir"):
        with pytest.raises(OperationError, match=r"not a regular file|a directory"):
            operation(str(tmp_path), name)


def test_writing_makes_directories_and_keeps_the_mode(tmp_path: Path) -> None:
    assert files.write_file(str(tmp_path), "a/b", "x") == {"size": 1, "created": True}
    (tmp_path / "a/b").chmod(0o750)
    assert files.write_file(str(tmp_path), "a/b", "yy") == {"size": 2, "created": False}
    assert (tmp_path / "a/b").read_text() == "yy"
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_a_write_replaces_the_name_so_that_an_open_reader_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with (tmp_path / "f").open() as reader:
        files.write_file(str(tmp_path), "f", "new")
        assert reader.read() == "old"


def test_writing_over_a_directory_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(OperationError, match="no regular file"):
        files.write_file(str(tmp_path), "d", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_edits_are_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a b a")
    with pytest.raises(OperationError, match=r"edits\[1\].old does not occur"):
        files.edit_file(str(tmp_path), "f", [{"old": "b", "new": "c"}, {"old": "zz", "new": ""}])
    assert (tmp_path / "f").read_text() == "a b a"
    with pytest.raises(OperationError, match="occurs 2 times"):
        files.edit_file(str(tmp_path), "f", [{"old": "a", "new": "c"}])
    done = files.edit_file(
        str(tmp_path), "f", [{"old": "a", "new": "c", "all": True}, {"old": "b", "new": "d"}]
    )
    assert done["replacements"] == 3
    assert (tmp_path / "f").read_text() == "c d c"


def test_an_empty_old_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a")
    with pytest.raises(OperationError, match="does not occur"):
        files.edit_file(str(tmp_path), "f", [{"old": "", "new": "x"}])


def test_a_listing_names_kinds_and_counts_what_it_leaves_out(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("12")
    (tmp_path / "link").symlink_to("/nowhere")
    found = {e["name"]: e for e in files.list_directory(str(tmp_path), ".")["entries"]}
    assert [found[n]["kind"] for n in ("dir", "file", "link")] == ["directory", "file", "link"]
    assert found["file"]["size"] == 2
    assert found["link"]["target"] == "/nowhere"
    monkeypatch.setattr(files, "MAX_ENTRIES", 1)
    assert files.list_directory(str(tmp_path), ".")["omitted"] == 2


def test_what_leaves_the_workspace_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="outside the workspace"):
        files.read_file(str(tmp_path), "/etc/passwd")
    with pytest.raises(OperationError, match="No such file"):
        files.read_file(str(tmp_path), "nothing")
