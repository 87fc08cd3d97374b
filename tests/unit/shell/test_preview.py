"""What a file tool would do, said before it does it; and that it does that or nothing."""

import pytest

from sympozium.shell import files
from sympozium.shell.preview import MAX_LINES, MAX_TEXT, preview


def write(root, path, content):
    return preview(str(root), "write_file", {"path": path, "content": content})


def edit(root, path, *edits):
    return preview(str(root), "edit_file", {"path": path, "edits": list(edits)})


def test_a_new_file_is_shown_whole_and_not_made(tmp_path) -> None:
    shown = write(tmp_path, "a", "one\ntwo\n")
    assert shown["text"].splitlines() == [
        "a: a new file, 8 bytes", "--- /dev/null", "+++ a", "@@ -0,0 +1,2 @@", "+one", "+two",
    ]  # fmt: skip
    assert (shown["problem"], shown["truncated"]) == (None, False)
    assert list(tmp_path.iterdir()) == []


def test_a_new_directory_is_said_and_not_made(tmp_path) -> None:
    shown = write(tmp_path, "d/e/a", "x")
    assert shown["text"].startswith("d/e/a: a new file in a new directory")
    assert "\\ No newline at end of file" in shown["text"]
    assert shown["basis"] == files.ABSENT
    assert list(tmp_path.iterdir()) == []
    assert files.write_file(str(tmp_path), "d/e/a", "x", expect=shown["basis"])["created"] is True


def test_an_overwrite_is_a_diff_with_the_line_numbers_of_the_file(tmp_path) -> None:
    old = [f"line {n}\n" for n in range(1, 101)]
    (tmp_path / "a").write_text("".join(old))
    new = "".join([*old[:49], "changed\n", *old[50:]])
    shown = write(tmp_path, "a", new)["text"].splitlines()
    assert shown[0] == f"a: replaced, {len(new)} bytes instead of {len(''.join(old))}"
    assert shown[3:] == [
        "@@ -47,7 +47,7 @@", " line 47", " line 48", " line 49", "-line 50", "+changed", " line 51", " line 52", " line 53",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\n", "a\na\n"),
        ("a\na\n", "a\n"),
        ("", "x\n"),
        ("x\n", ""),
        ("a\nb", "a\nb\n"),
        ("same\n", "same\n"),
    ],
)
def test_diffs_at_the_edges_apply(tmp_path, before: str, after: str) -> None:
    (tmp_path / "a").write_text(before)
    text = write(tmp_path, "a", after)["text"]
    assert ("[no change]" in text) == (before == after)
    assert (tmp_path / "a").read_text() == before
    if before != after and "No newline" not in text:
        import subprocess

        (tmp_path / "p").write_text("\n".join(text.splitlines()[1:]) + "\n")
        subprocess.run(["patch", "-s", "a", "p"], cwd=tmp_path, check=True)
        assert (tmp_path / "a").read_text() == after if (tmp_path / "a").exists() else after == ""


def test_edits_are_shown_and_not_made_and_bad_ones_are_said(tmp_path) -> None:
    (tmp_path / "a").write_text("one\ntwo\n")
    assert "-two\n+2" in edit(tmp_path, "a", {"old": "two", "new": "2"})["text"]
    assert (tmp_path / "a").read_text() == "one\ntwo\n"
    with pytest.raises(files.OperationError, match="does not occur"):
        edit(tmp_path, "a", {"old": "three", "new": "3"})


def test_a_link_is_said_with_where_it_leads(tmp_path) -> None:
    (tmp_path / "real").write_text("x\n")
    (tmp_path / "link").symlink_to("real")
    assert f"link leads to {tmp_path / 'real'}" in write(tmp_path, "link", "y\n")["text"]
    (tmp_path / "out").symlink_to("/etc/passwd")
    with pytest.raises(Exception, match="outside the workspace"):
        write(tmp_path, "out", "y")


def test_binary_and_large_content(tmp_path) -> None:
    (tmp_path / "b").write_bytes(b"\0\1")
    shown = write(tmp_path, "b", "text\n")
    assert "binary" in shown["problem"]
    assert "+text" in shown["text"]
    (tmp_path / "a").write_text("x\n" * (MAX_LINES + 1))
    shown = write(tmp_path, "a", "y\n" * (MAX_LINES + 1))
    assert f"[{MAX_LINES + 1} lines from line 1 on are replaced by these {MAX_LINES + 1}]" in shown["text"]
    shown = write(tmp_path, "new", "z" * (MAX_TEXT + 1))
    assert (shown["truncated"], len(shown["text"])) == (True, MAX_TEXT)
    assert "binary content, 3 bytes" in write(tmp_path, "new", "a\0b")["text"]


CHANGES = {
    "other content": lambda ws: (ws / "a").write_text("z"),
    "gone": lambda ws: (ws / "a").unlink(),
    "a link to the same content": lambda ws: ((ws / "a").rename(ws / "b"), (ws / "a").symlink_to("b")),
    "a directory": lambda ws: ((ws / "a").unlink(), (ws / "a").mkdir()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_is_refused(tmp_path, change: str) -> None:
    (tmp_path / "a").write_text("x")
    basis = write(tmp_path, "a", "y")["basis"]
    CHANGES[change](tmp_path)
    with pytest.raises(files.OperationError, match=r"not what it was|no regular file"):
        files.write_file(str(tmp_path), "a", "y", expect=basis)
    assert "y" not in [p.read_text() for p in tmp_path.iterdir() if p.is_file()]


def test_a_file_that_appeared_is_not_replaced(tmp_path) -> None:
    for path in ("a", "d/a"):
        basis = write(tmp_path, path, "y")["basis"]
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("mine")
        with pytest.raises(files.OperationError, match="nothing was written"):
            files.write_file(str(tmp_path), path, "y", expect=basis)
        assert (tmp_path / path).read_text() == "mine"


def test_what_did_not_change_is_written(tmp_path) -> None:
    (tmp_path / "a").write_text("x")
    files.write_file(str(tmp_path), "a", "y", expect=write(tmp_path, "a", "y")["basis"])
    basis = edit(tmp_path, "a", {"old": "y", "new": "z"})["basis"]
    files.edit_file(str(tmp_path), "a", [{"old": "y", "new": "z"}], expect=basis)
    assert (tmp_path / "a").read_text() == "z"
    with pytest.raises(files.OperationError, match="not what it was"):
        files.edit_file(str(tmp_path), "a", [{"old": "z", "new": "y"}], expect=basis)
