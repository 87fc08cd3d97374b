"""Builds the images of images/Containerfile: `make images` (docs/images.md).

    images.py [--engine buildah|podman|docker] [--registry R] [--base IMAGE] [--platform P[,P]] [--push] [NAME ...]

Lays out dist/images/context first: the Containerfile, the modules that each image imports (found in the import graph,
so an image has no module that its entry point cannot reach), and the locked packages of each platform, by hash. The
engine then needs no network. Times in the images are those of the last commit, so the same commit gives the same bytes.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "dist/images"
CONTEXT = OUTPUT / "context"
LOCKS = ROOT / "requirements/images"
ENTRY_POINTS = {
    "control-plane": "sympozium",
    "agent": "sympozium.agent",
    "tools": "sympozium.tools",
    "shell": "sympozium.shell",
    "skill-k8s-ops": "sympozium.skills.k8s_ops",
}
"""The images, and the package whose modules start in them; all the others come by import."""
PYTHON = "3.11"
"""Of the base image: which wheels fit."""
MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
NEWEST_GLIBC = 36
"""2.36 is that of Debian 12."""


def modules_of(package: str, graph: grimp.ImportGraph | None = None) -> tuple[set[str], set[str]]:
    """The modules of ours that `package` can come to import, lazily too, and the top-level names of the others."""
    graph = graph or grimp.build_graph("sympozium", include_external_packages=True)
    found: set[str] = set()
    waiting = {package} | {m for m in graph.modules if m.startswith(f"{package}.")}
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        if module.partition(".")[0] == "sympozium":
            waiting |= graph.find_modules_directly_imported_by(module)
            parent = module.rpartition(".")[0]
            waiting |= {parent} if parent else set()
    ours = {m for m in found if m.partition(".")[0] == "sympozium"}
    return ours, {m.partition(".")[0] for m in found - ours} - set(sys.stdlib_module_names)


def lay_out(names: Iterable[str], architectures: Iterable[str]) -> None:
    """The directory that the engine builds from."""
    shutil.rmtree(CONTEXT / "packages", ignore_errors=True)
    (CONTEXT / "requirements").mkdir(parents=True, exist_ok=True)
    for file in ("Containerfile", "assemble.py", "bom.py"):
        shutil.copy(ROOT / "images" / file, CONTEXT)
    for lock in LOCKS.glob("*.txt"):
        shutil.copy(lock, CONTEXT / "requirements")
    graph = grimp.build_graph("sympozium", include_external_packages=True)
    for name in names:
        _copy_package(name, graph)
    for architecture in architectures:
        _download(architecture)


def _copy_package(name: str, graph: grimp.ImportGraph) -> None:
    source, target = ROOT / "src", CONTEXT / "packages" / name
    if name == "control-plane":  # all of it: it has data, and the dashboard
        shutil.copytree(
            source / "sympozium", target / "sympozium", ignore=shutil.ignore_patterns("__pycache__")
        )
        return
    for module in modules_of(ENTRY_POINTS[name], graph)[0]:
        path = Path(*module.split("."))
        file = path / "__init__.py" if (source / path).is_dir() else path.with_suffix(".py")
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, target / file)


def _download(architecture: str) -> None:
    """The locked wheels of one architecture; nothing where they are there already."""
    machine = MACHINES[architecture]
    place, locks = CONTEXT / "wheels" / architecture, sorted(LOCKS.glob("*.txt"))
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    stamp = OUTPUT / f"wheels-{architecture}.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    fitting = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 4, -1)]
    fitting += [f"--platform=manylinux{old}_{machine}" for old in ("2014", "2010", "1")]
    for lock in locks:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", *fitting,
             "--dest", str(place), "-r", str(lock)],
            check=True,
        )  # fmt: skip
    stamp.write_text(digest)


def facts() -> dict[str, str]:
    """What the images say of themselves, from the last commit."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    from sympozium import __version__

    epoch = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct")
    changed = "-changed" if git("status", "--porcelain", "--", "src", "images", "requirements") else ""
    return {
        "VERSION": __version__,
        "REVISION": git("rev-parse", "HEAD") + changed,
        "CREATED": datetime.fromtimestamp(int(epoch), UTC).isoformat(),
        "SOURCE_DATE_EPOCH": epoch,
    }


class Engine:
    """One of the three programs, and how each is asked for the same."""

    def __init__(self, name: str, options: argparse.Namespace, told: dict[str, str]) -> None:
        self._name, self._options, self._told = name, options, told
        self._platforms = [p for p in options.platform.split(",") if p]

    def architectures(self) -> list[str]:
        native = {machine: architecture for architecture, machine in MACHINES.items()}
        return [p.split("/")[1] for p in self._platforms] or [native[platform.machine()]]

    def image(self, name: str) -> None:
        """Builds one, and pushes it where that is wanted."""
        whole = f"{self._options.registry}/{name}:{self._options.tag or 'v' + self._told['VERSION']}"
        several = len(self._platforms) > 1
        if self._name == "docker":
            # A reproducible image is written by the exporter, which sets the times of files.
            kind = "type=image,push=true" if self._options.push else "type=docker"
            self._build(name, "--output", f"{kind},name={whole},rewrite-timestamp=true")
        elif several:
            subprocess.run([self._name, "manifest", "rm", whole], check=False, capture_output=True)
            self._build(name, "--manifest", whole)
        else:
            self._build(name, "--tag", whole)
        if self._options.push and self._name != "docker":
            push = ["manifest", "push", "--all", whole, f"docker://{whole}"] if several else ["push", whole]
            subprocess.run([self._name, *push], check=True)
        sys.stdout.write(f"{whole}\n")

    def boms(self) -> None:
        """The lists of parts, beside the context; of the first platform."""
        self._build("boms", "--output", f"type=local,dest={OUTPUT}/sbom")

    def _build(self, target: str, *arguments: str) -> None:
        command = ["docker", "buildx", "build"] if self._name == "docker" else [self._name, "build"]
        if self._name != "docker":
            command += ["--layers", "--timestamp", self._told["SOURCE_DATE_EPOCH"], "--pull=missing"]
        chosen = [f"--platform={self._options.platform}"] if self._platforms else []
        # Where one platform is meant, old engines do not set it by themselves.
        told = self._told | ({} if len(self._platforms) > 1 else {"TARGETARCH": self.architectures()[0]})
        if self._options.base:
            told |= {"BASE": self._options.base}
        subprocess.run(
            [*command, "--quiet", *(["--no-cache"] if self._options.no_cache else []), *chosen,
             *(f"--build-arg={key}={value}" for key, value in told.items()),
             "--target", target, *arguments, str(CONTEXT)],
            check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SOURCE_DATE_EPOCH": told["SOURCE_DATE_EPOCH"]},
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="images.py")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(ENTRY_POINTS)}; all without any"
    )
    parser.add_argument("--engine", choices=("buildah", "podman", "docker"))
    parser.add_argument("--registry", default="ghcr.io/sympozium")
    parser.add_argument("--tag", default="", help="instead of v and the version")
    parser.add_argument("--base", default="", help="instead of the one that the Containerfile pins")
    parser.add_argument(
        "--platform", default="", help="such as linux/amd64,linux/arm64; this machine's without it"
    )
    parser.add_argument("--push", action="store_true")
    parser.add_argument("--no-cache", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(ENTRY_POINTS):
        parser.error(f"no image is called {', '.join(sorted(unknown))}: there are {', '.join(ENTRY_POINTS)}")
    engine_name = options.engine or next(
        (name for name in ("buildah", "podman", "docker") if shutil.which(name)), None
    )
    if engine_name is None:
        sys.exit("error: neither buildah nor podman nor docker is on PATH: install one of them")
    if not (ROOT / "src/sympozium/server/web/index.html").exists():
        sys.exit("error: the dashboard is not built: make dashboard")
    engine = Engine(engine_name, options, facts())
    lay_out(ENTRY_POINTS, engine.architectures())
    for name in options.names or ENTRY_POINTS:
        engine.image(name)
    engine.boms()


if __name__ == "__main__":
    main()
