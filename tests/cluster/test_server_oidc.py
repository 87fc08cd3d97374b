"""Signing in with OIDC at a real server: a provider that signs, and a Kubernetes API that decides."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
import yaml

from cluster.api_server import ApiServer, installed
from sympozium.testing.kube import KubeAPI
from sympozium.testing.waiting import until
from sympozium.up.ports import pick
from unit.server.oidc_provider import CLIENT, SECRET, TestProvider

__all__ = ["installed"]
PAGE = Path(__file__).parents[2] / "docs/api.md"


@pytest.fixture(scope="module")
def provider() -> Iterator[TestProvider]:
    port = pick()
    made = TestProvider(f"http://127.0.0.1:{port}")
    made.claims = {"sub": "ada", "groups": ["devs", "system:masters"]}
    server = uvicorn.Server(
        uvicorn.Config(
            made.app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off"
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the provider listens")
    yield made
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def arguments(provider: TestProvider, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(SECRET)
    return [
        "--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT, "--oidc-client-secret-file", str(secret),
    ]  # fmt: skip


def sign_in(browser: httpx2.Client, *, back_at: str = "") -> str:
    """As a browser that follows; where it ends up. `back_at`: the server that it comes back to, of the same address."""
    to_provider = browser.get("/api/v1/session/oidc/start", params={"returnTo": "#/runs"})
    assert to_provider.status_code == 302, to_provider.text
    with httpx2.Client(trust_env=False, timeout=60, verify=False) as elsewhere:
        back = elsewhere.get(to_provider.headers["location"]).headers["location"]
    parts = urlsplit(back)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    if back_at:
        headers |= {"Host": parts.netloc}
    return browser.get(f"{back_at}{parts.path}?{parts.query}", headers=headers).headers["location"]


@pytest.fixture(scope="module")
def impersonating(
    installed: KubeAPI, arguments: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    with ApiServer(
        installed, tmp_path_factory.mktemp("here"), *arguments, "--oidc-mode", "impersonate"
    ) as server:
        yield server


def test_who_signs_in_is_impersonated_with_prefixes_and_kubernetes_decides(
    installed: KubeAPI, impersonating: ApiServer
) -> None:
    installed.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "devs", "namespace": "default"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sympozium-view"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "oidc:devs"}],
        }
    )  # fmt: skip
    server = impersonating
    with server.client() as browser:
        # The right to impersonate is not installed by default.
        assert sign_in(browser) == "/#/sign-in?problem=kubernetes"
        assert browser.get("/api/v1/session").json()["user"] is None
    for document in documented_rights():
        installed.apply(document)
    with server.client() as browser:
        assert sign_in(browser) == "/#/runs"
        found = browser.get("/api/v1/session").json()
        assert found["method"] == "oidc"
        assert found["signIn"]["oidc"] is True
        assert found["user"]["name"] == "oidc:ada"
        assert found["user"]["groups"] == ["oidc:devs", "oidc:system:masters", "system:authenticated"]
        path = "/api/v1/resources/agentruns"
        assert browser.get(path, params={"namespace": "default"}).status_code == 200
        assert browser.get(path, params={"namespace": "kube-system"}).status_code == 403
        assert (
            browser.get("/api/v1/session/oidc/start", headers={"Sec-Fetch-Site": "cross-site"}).status_code
            == 403
        )


def test_a_sign_in_that_began_at_one_server_ends_at_another(
    installed: KubeAPI, arguments: list[str], impersonating: ApiServer, tmp_path: Path
) -> None:
    for document in documented_rights():
        installed.apply(document)
    first = impersonating
    with (
        ApiServer(installed, tmp_path, *arguments, "--oidc-mode", "impersonate") as second,
        first.client() as browser,
    ):
        assert sign_in(browser, back_at=second.url) == "/#/runs"
        for server in (first, second):
            address = {"Host": urlsplit(first.url).netloc}
            found = browser.get(f"{server.url}/api/v1/session", headers=address).json()
            assert found["user"]["name"] == "oidc:ada"


def test_a_kubernetes_that_does_not_know_the_issuer_is_named_as_the_reason(
    installed: KubeAPI, arguments: list[str], tmp_path: Path
) -> None:
    with ApiServer(installed, tmp_path, *arguments) as server, server.client() as browser:
        assert sign_in(browser) == "/#/sign-in?problem=kubernetes"
        assert browser.get("/api/v1/session").json()["user"] is None
        assert "does not accept ID tokens" in server.log.read_text()
        assert SECRET not in server.log.read_text()


def documented_rights() -> list[dict[str, object]]:
    """The YAML of the page on this: what people apply is what is tested."""
    (text,) = re.findall(r"```yaml\n(.*?kind: ClusterRole\n.*?)```", PAGE.read_text(), re.DOTALL)
    return [document for document in yaml.safe_load_all(text) if document]
