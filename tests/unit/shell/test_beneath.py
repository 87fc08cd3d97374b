"""The walk beneath a root: what stays inside, what is refused, and the race that it closes."""

import os
from pathlib import Path

import pytest

from sympozium.shell.beneath import MAX_LINKS, PathRefusedError, locate


def read(root: Path, path: str) -> bytes:
    with locate(str(root), path) as place:
        descriptor = place.open(os.O_RDONLY)
        try:
            return os.read(descriptor, 100)
        finally:
            os.close(descriptor)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "ws"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    return inside


@pytest.mark.parametrize("path", ["a/b/file", "./a//b/./file", "a/../a/b/file", "{root}/a/b/file"])
def test_a_path_beneath_is_found(root: Path, path: str) -> None:
    assert read(root, path.format(root=root)) == b"inside"


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "{root}/../secret", "/etc/passwd", "{root}x/file", "a\0b"]
)
def test_a_path_that_leaves_is_refused(root: Path, path: str) -> None:
    with pytest.raises(PathRefusedError), locate(str(root), path.format(root=root)):
        pass


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "relative").symlink_to("a/b/file")
    (root / "a" / "up").symlink_to("../a/b")
    (root / "absolute").symlink_to(root / "a" / "b")
    assert read(root, "relative") == b"inside"
    assert read(root, "a/up/file") == b"inside"
    assert read(root, "absolute/file") == b"inside"


@pytest.mark.parametrize("target", ["../secret", "/etc", "a/../../secret", "../../../../../../etc"])
def test_links_that_leave_are_refused(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    with pytest.raises(PathRefusedError):
        read(root, "link")
    with pytest.raises(PathRefusedError):
        read(root, "link/passwd")


def test_a_loop_of_links_ends(root: Path) -> None:
    (root / "x").symlink_to("y")
    (root / "y").symlink_to("x")
    with pytest.raises(PathRefusedError, match=str(MAX_LINKS)):
        read(root, "x")


def test_a_directory_that_is_moved_away_during_the_walk_gives_no_way_out(root: Path, tmp_path: Path) -> None:
    with locate(str(root), "a/b/file") as place:
        (root / "a").rename(tmp_path / "moved")  # the descriptor is beneath another parent now
        assert os.read(place.open(os.O_RDONLY), 6) == b"inside"
    # `..` goes back to where the walk came from, which is the root, and not to the new parent.
    (root / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        read(root, "a/../secret")


def test_a_link_put_in_place_of_the_last_component_is_not_followed(root: Path) -> None:
    with locate(str(root), "a/b/file") as place:
        (root / "a/b/file").unlink()
        (root / "a/b/file").symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic links"):
            place.open(os.O_RDONLY)


def test_parents_are_made_on_request(root: Path) -> None:
    with locate(str(root), "n/e/w", create_parents=True) as place:
        assert place.name == "w"
    assert (root / "n" / "e").is_dir()
    with pytest.raises(FileNotFoundError), locate(str(root), "m/e/w"):
        pass


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("a/b/file", "../secret", "a/nothing/x"):
        try:
            with locate(str(root), path):
                pass
        except (PathRefusedError, OSError):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
