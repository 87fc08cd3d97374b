"""The command line of each part, and the images of this machine's node."""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sympozium
from sympozium.installation import image as image_name
from sympozium.privatefile import write_private
from sympozium.up.model import ModelEndpoint
from sympozium.up.paths import DataDir
from sympozium.up.processes import Child

HOST_IMAGE = "localhost/host:latest"
NODE_NAME = "sympozium"


def tool(name: str) -> str:
    """A program of the `local` extra: beside this Python first, then on PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


@dataclass(frozen=True, slots=True)
class Components:
    """Builds the children for one data directory and one assignment of ports."""

    data: DataDir
    ports: dict[str, int]
    token_auth_file: Path | None

    def _child(self, name: str, argv: list[str], **env: str) -> Child:
        return Child(name, argv, self.data.logs / f"{name}.log", env)

    def _python(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", *arguments]

    def _kubeconfig(self, component: str) -> str:
        return str(self.data.identities / f"{component}.kubeconfig")

    def api(self) -> Child:
        argv = self._python(
            "sympozium.localkube", "--data-dir", str(self.data.root), "--port", str(self.ports["api"])
        )
        if self.token_auth_file:
            argv += ["--token-auth-file", str(self.token_auth_file)]
        return self._child("api", argv)

    def bus(self) -> Child:
        return self._child("bus", [tool("nats-server"), "-c", str(self.data.bus / "nats.conf")])

    def webhook(self) -> Child:
        port = str(self.ports["webhook"])
        return self._child(
            "webhook",
            self._python("sympozium", "serve", "webhook", "--port", port, "--url-base", f"https://127.0.0.1:{port}",
                         "--health-port", str(self.ports["webhook-health"])),
            KUBECONFIG=self._kubeconfig("webhook"),
        )  # fmt: skip

    def controllers(self) -> Child:
        return self._child(
            "controllers",
            self._python(
                "sympozium", "serve", "controller", "--health-port", str(self.ports["controllers-health"])
            ),
            KUBECONFIG=self._kubeconfig("controller"),
        )

    def apiserver(self) -> Child:
        return self._child(
            "apiserver",
            self._python("sympozium", "serve", "apiserver", "--host", "127.0.0.1",
                         "--port", str(self.ports["apiserver"]), "--state-dir", str(self.data.apiserver),
                         "--health-port", str(self.ports["apiserver-health"])),
            KUBECONFIG=self._kubeconfig("apiserver"),
        )  # fmt: skip

    def node(self) -> Child:
        pki = self.data.pki
        return self._child(
            "node",
            self._python("sympozium.node", "--name", NODE_NAME, "--data-dir", str(self.data.node),
                         "--images", str(self.data.images), "--port", str(self.ports["node"]),
                         "--tls-cert", str(self.data.identities / "node-serving.crt"),
                         "--tls-key", str(self.data.identities / "node-serving.key"),
                         "--client-ca", str(pki / "ca.crt"),
                         "--health-port", str(self.ports["node-health"])),
            KUBECONFIG=self._kubeconfig("node"),
        )  # fmt: skip

    def rehearsal(self) -> Child:
        return self._child(
            "rehearsal", self._python("sympozium.rehearsal", "--port", str(self.ports["rehearsal"]))
        )

    def enabled_by(self, step: str, endpoint: ModelEndpoint) -> Iterable[Child]:
        """What can be started once the installer has reported `step`."""
        if step == "bus":
            return [self.bus()]
        if step == "identities":
            parts = [self.webhook(), self.controllers(), self.node(), self.apiserver()]
            return [*parts, self.rehearsal()] if endpoint.provider == "rehearsal" else parts
        return []

    def installer(self, endpoint: ModelEndpoint) -> list[str]:
        ports = json.dumps(self.ports)
        return self._python(
            "sympozium.up.install", "all", str(self.data.root), "--ports", ports,
            "--base-url", endpoint.base_url, "--model", endpoint.model, "--provider", endpoint.provider,
        )  # fmt: skip

    def installer_env(self, endpoint: ModelEndpoint) -> dict[str, str]:
        """The key travels by environment: an argument could be read by every user of the machine."""
        return {"SYMPOZIUM_INSTALL_API_KEY": endpoint.api_key}

    def write_images(self) -> None:
        """The catalogue of the node: which program of this installation stands for which image."""
        binds = _read_only_paths()
        path = [str(Path(sys.executable).parent)]
        base = {"binds": binds, "path": path}

        def image(name: str, *module: str) -> dict[str, object]:
            return {
                "name": image_name(name),
                "entrypoint": [sys.executable, "-m", *module],
                "env": {"PYTHONUNBUFFERED": "1"},
                **base,
            }

        images = [
            image("agent", "sympozium.agent"),
            image("tools", "sympozium.tools"),
            image("shell", "sympozium.shell"),
            image("skill-k8s-ops", "sympozium.skills.k8s_ops"),
            {"name": HOST_IMAGE, "entrypoint": [], **base},
        ]
        write_private(self.data.images, json.dumps({"images": images}, indent=1) + "\n")


def _read_only_paths() -> list[str]:
    """What the installed package needs to run: its environment, its source, and the Python beneath."""
    source = Path(sympozium.__file__).resolve().parent.parent
    paths = [Path(sys.prefix).resolve(), source, Path(sys.base_prefix).resolve()]
    # /usr is there in every container; a path below another one needs no bind of its own.
    outer = [p for p in paths if not p.is_relative_to("/usr")]
    kept = [p for p in dict.fromkeys(outer) if not any(p != q and p.is_relative_to(q) for q in outer)]
    return [os.fspath(p) for p in kept]
