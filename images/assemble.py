"""What goes into an image, put together in its build stage: one directory below /layers for each layer.

    assemble.py runtime                 Python and the shared libraries it needs, for images that start from nothing
    assemble.py packages NAME [NAME..]  the locked packages of NAME.txt that no layer named after it has yet, compiled
    assemble.py own NAME                this project's modules for image NAME, compiled, with their sources

Nothing here depends on the clock, on the order of a directory or on the architecture: two builds give the same bytes.
Byte code is checked against no source (`unchecked-hash`), so a read-only root costs nothing at start.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

LAYERS = Path("/layers")
HOME = Path("/opt/sympozium")
"""The virtual environment of every image: bin/python3 is the Python of the base."""
UNUSED_STDLIB = (
    "test", "idlelib", "tkinter", "turtledemo", "turtle.py", "lib2to3", "ensurepip", "venv", "pydoc_data", "distutils",
    "site-packages", "dist-packages", "config-*", "EXTERNALLY-MANAGED", "unittest/test", "ctypes/test", "__phello__",
    "sitecustomize.py",
)  # fmt: skip
UNUSED_EXTENSIONS = re.compile(
    r"_(tkinter|dbm|gdbm|test\w*|ctypes_test|xx\w+)\.|(nis|ossaudiodev|readline|xx\w+)\."
)
"""They draw in Tk, Berkeley DB, NIS and readline, which no module of ours has a use for."""
UNUSED_FILES = ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.cpp", "py.typed")
DATA = ("/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/share/zoneinfo")
NOBODY = 65532


class Debian:
    """Which Debian package a file of the base came from: for copyright files, scanners and the list of parts."""

    def __init__(self, info: Path = Path("/var/lib/dpkg/info")) -> None:
        self._owners: dict[str, str] = {}
        for listing in sorted(info.glob("*.list")):
            package = listing.name.removesuffix(".list").partition(":")[0]
            for line in listing.read_text().splitlines():
                self._owners[os.path.realpath(line)] = package
        if not self._owners:
            sys.exit(
                "error: the base image is not of Debian's family (no /var/lib/dpkg/info): see docs/images.md"
            )

    def owner(self, file: Path) -> str | None:
        return self._owners.get(os.path.realpath(file))

    @staticmethod
    def record(packages: Iterable[str], root: Path) -> None:
        """Copyright files, and the stanza of each where scanners of images without dpkg look for it."""
        status = root / "var/lib/dpkg/status.d"
        status.mkdir(parents=True, exist_ok=True)
        for package in sorted(packages):
            stanza = subprocess.run(["dpkg-query", "-s", package], capture_output=True, text=True, check=True)
            (status / package).write_text(stanza.stdout)
            notice = Path("/usr/share/doc") / package / "copyright"
            if notice.exists():
                copy(notice, root)


def copy(path: Path, root: Path) -> None:
    """A file or link of this system to the same place below `root`, with the links on the way to it."""
    at = Path("/")
    for part in path.parts[1:]:
        at = at / part
        there = root / at.relative_to("/")
        if at.is_symlink():
            if not there.is_symlink():
                there.symlink_to(at.readlink())
            copy(Path(os.path.normpath(at.parent / at.readlink())), root)
            at = Path(os.path.realpath(at))
        elif at.is_dir():
            there.mkdir(exist_ok=True)
        elif not there.exists():
            shutil.copyfile(at, there)
            there.chmod(0o755 if os.access(at, os.X_OK) else 0o644)


def copy_tree(path: Path, root: Path) -> None:
    for directory, _, files in os.walk(path):
        copy(Path(directory), root)
        for name in sorted(files):
            copy(Path(directory) / name, root)


def libraries(files: Iterable[Path]) -> set[Path]:
    """The shared libraries of the system that these need, as the loader finds them."""
    found: set[Path] = set()
    for file in files:
        shown = subprocess.run(["ldd", file], capture_output=True, text=True, check=False)
        if "not found" in shown.stdout:
            sys.exit(f"error: the base image lacks a library of {file}:\n{shown.stdout}")
        found |= {Path(match) for match in re.findall(r"(/\S+) \(0x", shown.stdout)}
    return found


def binaries(root: Path) -> Iterator[Path]:
    for file in sorted(root.rglob("*")):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    yield file


def compile_all(root: Path, seen_as: str, *, sources: bool) -> None:
    """One process, sorted by compileall: what is shared between constants, and so the bytes, is then the same each time.

    Without `sources` the byte code takes their place, which is a third of an image; tracebacks then have no text of lines.
    """
    done = compileall.compile_dir(
        root, maxlevels=20, quiet=1, stripdir=str(root), prependdir=seen_as, force=True, legacy=not sources,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )  # fmt: skip
    if not done:
        sys.exit(f"error: a module below {root} does not compile")
    for source in () if sources else sorted(root.rglob("*.py")):
        source.unlink()


def runtime() -> None:
    root = LAYERS / "runtime"
    root.mkdir(parents=True)
    debian, packages = Debian(), set()
    python, stdlib = Path(sys.executable), Path(sysconfig.get_path("stdlib"))
    copy(python, root)
    for file in _stdlib(stdlib):
        copy(file, root)
    copied = root / stdlib.relative_to("/")
    for library in libraries([python, *binaries(copied)]):
        copy(library, root)
    for place in map(Path, DATA):
        if place.is_dir():
            copy_tree(place, root)
    for file in map(Path, ("/etc/ld.so.conf", "/etc/protocols", "/etc/services")):
        if file.exists():
            copy(file, root)
    copy_tree(Path("/etc/ld.so.conf.d"), root)
    subprocess.run(["ldconfig", "-X", "-r", root], check=True)
    (root / "var/cache/ldconfig/aux-cache").unlink(missing_ok=True)
    etc = root / "etc"
    (etc / "passwd").write_text(
        f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{NOBODY}:{NOBODY}:nonroot:/tmp:/sbin/nologin\n"
    )
    (etc / "group").write_text(f"root:x:0:\nnonroot:x:{NOBODY}:\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    copy(Path("/etc/os-release"), root)
    for directory in ("proc", "sys", "dev", "run", "workspace", "tmp"):
        (root / directory).mkdir()
    (root / "tmp").chmod(0o1777)
    compile_all(copied, str(stdlib), sources=False)
    for file in sorted(root.rglob("*")):
        if file.is_file() and (owner := debian.owner(Path("/") / file.relative_to(root))):
            packages.add(owner)
    debian.record(packages, root)


def _stdlib(stdlib: Path) -> Iterator[Path]:
    skipped = {path for pattern in UNUSED_STDLIB for path in stdlib.glob(pattern)}
    for directory, names, files in os.walk(stdlib):
        at = Path(directory)
        names[:] = sorted(n for n in names if n != "__pycache__" and at / n not in skipped)
        for name in sorted(files):
            if at / name not in skipped and not UNUSED_EXTENSIONS.match(name):
                yield at / name


def packages(name: str, below: list[str]) -> None:
    """Installs requirements/NAME.txt over what the layers `below` have, and keeps as layer NAME what is new."""
    tools = Path("/pip/bin/python3")
    if not tools.exists():
        subprocess.run([sys.executable, "-m", "venv", "/pip"], check=True)
    shutil.rmtree(HOME, ignore_errors=True)
    if not below:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", HOME], check=True)
    for layer in below:
        shutil.copytree(LAYERS / layer / HOME.relative_to("/"), HOME, symlinks=True)
    subprocess.run(
        [tools, "-m", "pip", "--python", HOME / "bin/python3", "install", "--quiet", "--no-deps", "--no-compile",
         "--no-index", "--find-links", "/wheels", "--require-hashes", "--disable-pip-version-check", "--no-cache-dir",
         "--root-user-action", "ignore", "-r", f"/requirements/{name}.txt"],
        check=True,
    )  # fmt: skip
    _prune(HOME)
    site = next(HOME.glob("lib/python3.*/site-packages"))
    compile_all(site, str(site), sources=False)
    root = LAYERS / name
    root.mkdir(parents=True)
    had = {f for layer in below for f in _files(LAYERS / layer)}
    for file in sorted(_files(Path("/"), HOME)):
        if file not in had:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path("/") / file, root / file, follow_symlinks=False)
    needed = libraries(binaries(root)) - {
        Path("/") / f for layer in ("runtime", *below) for f in _files(LAYERS / layer)
    }
    system = {library for library in needed if not library.is_relative_to(HOME)}
    for library in system:
        copy(library, root)
    debian = Debian()
    debian.record({owner for library in system if (owner := debian.owner(library))}, root)


def _files(root: Path, below: Path | None = None) -> set[Path]:
    """Files and links, as they are seen from `root`."""
    return {p.relative_to(root) for p in (below or root).rglob("*") if p.is_symlink() or p.is_file()}


def _prune(home: Path) -> None:
    """What only compilers, type checkers, other shells and tests read."""
    for name in ("Activate.ps1", "activate", "activate.csh", "activate.fish"):
        (home / "bin" / name).unlink(missing_ok=True)
    site = next(home.glob("lib/python3.*/site-packages"))
    for pattern in UNUSED_FILES:
        for file in site.rglob(pattern):
            file.unlink()
    for tests in sorted(site.glob("*/**/tests")):
        shutil.rmtree(tests)
    for script in (home / "bin").iterdir():
        if not script.name.startswith("python") and script.read_bytes()[:2] == b"#!":
            script.unlink()


def own(name: str) -> None:
    """The modules that the image was given, and for the control plane its command."""
    root = LAYERS / f"own-{name}"
    site = root / next(HOME.glob("lib/python3.*/site-packages")).relative_to("/")
    shutil.copytree(f"/packages/{name}/sympozium", site / "sympozium")
    compile_all(site, "/" + str(site.relative_to(root)), sources=True)
    if name == "control-plane":
        command = root / HOME.relative_to("/") / "bin/sympozium"
        command.parent.mkdir()
        command.write_text(
            f"#!{HOME}/bin/python3\nimport sys\n\nfrom sympozium.__main__ import main\n\nsys.exit(main())\n"
        )
        command.chmod(0o755)


def main() -> None:
    os.umask(0o022)
    what, *names = sys.argv[1:]
    if what == "runtime":
        runtime()
    elif what == "packages":
        packages(names[0], names[1:])
    else:
        own(names[0])


if __name__ == "__main__":
    main()
