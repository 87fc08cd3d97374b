"""The catalogue of images."""

import json
import os
from pathlib import Path

import pytest

from sympozium.node import images
from sympozium.node.images import Catalogue, CatalogueError, ImageError

YAML = """
images:
  - name: example.org/a:v1
    entrypoint: [/bin/a, -x]
    binds: [/opt/a]
    path: [/opt/a/bin]
    env: {A: "1"}
  - name: localhost/host:latest
"""


def test_find(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(YAML)
    catalogue = Catalogue(path)
    image = catalogue.find("example.org/a:v1")
    assert (image.entrypoint, image.binds, image.path, image.env) == (
        ("/bin/a", "-x"),
        ("/opt/a",),
        ("/opt/a/bin",),
        {"A": "1"},
    )
    assert catalogue.find("localhost/host").name == "localhost/host:latest"
    assert image.id.startswith("host://example.org/a:v1@sha256:")


def test_unknown_image_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(YAML)
    with pytest.raises(ImageError, match=r"nginx.*example\.org/a:v1, localhost/host:latest.*images\.yaml"):
        Catalogue(path).find("nginx")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(YAML)
    catalogue = Catalogue(path)
    fresh = tmp_path / "new"
    fresh.write_text(json.dumps({"images": [{"name": "new:1"}]}))
    fresh.rename(path)
    assert catalogue.names() == ["new:1"]
    path.write_text("images: 7")
    os.utime(path, (1, 1))
    with pytest.raises(CatalogueError, match="images"):
        catalogue.names()


@pytest.mark.parametrize(("text", "word"), [
    ("[]", "a list `images`"), ("images: [7]", "images[0]"), ("images: [{name: a, bind: []}]", "unknown fields ['bind']"),
    ("images: [{name: a, binds: [rel]}]", "not an absolute path"), ("images: [{name: a, env: {A: 1}}]", "env"),
    ("images: [{name: a, entrypoint: sh}]", "entrypoint"), ("images: [", ""),
])  # fmt: skip
def test_mistakes_are_named(text: str, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        images.parse(text)
    assert word in str(caught.value)
