"""What a page of another site can make a browser send."""

from collections.abc import Mapping

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from sympozium.server.guards.origin import CALLBACK, SameOrigin

OURS = {"X-Sympozium-Request": "1"}


def status(
    method: str, headers: Mapping[str, str], *, path: str = "/api/v1/x", public: str | None = None
) -> int:
    app = SameOrigin(PlainTextResponse("done"), public_url=public)
    return (
        TestClient(app, base_url="http://127.0.0.1:8080").request(method, path, headers=headers).status_code
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_a_change_needs_the_header_or_a_bearer_token(method: str) -> None:
    assert status(method, {}) == 403
    assert status(method, {"X-Sympozium-Request": "0"}) == 403
    assert status(method, OURS) == 200
    assert status(method, {"Authorization": "Bearer t"}) == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything-new"])
def test_a_foreign_page_reads_and_changes_nothing(site: str) -> None:
    for method in ("GET", "POST"):
        assert status(method, {**OURS, "Sec-Fetch-Site": site}) == 403
    assert status("GET", {"Sec-Fetch-Site": site, "Authorization": "Bearer t"}) == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_page_and_what_was_typed_pass(site: str) -> None:
    assert status("GET", {"Sec-Fetch-Site": site}) == 200
    assert status("POST", {**OURS, "Sec-Fetch-Site": site, "Origin": "http://127.0.0.1:8080"}) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:9090",
        "http://127.0.0.1",
        "https://evil.example",
        "null",
        "http://evil@127.0.0.1:8080",
    ],
)
def test_an_origin_that_is_not_ours_is_refused(origin: str) -> None:
    assert status("POST", {**OURS, "Origin": origin}) == 403


def test_behind_a_proxy_the_public_url_is_the_origin() -> None:
    public = "https://agents.example.org"
    assert status("POST", {**OURS, "Origin": public}, public=public + "/") == 200
    assert status("POST", {**OURS, "Origin": "http://127.0.0.1:8080"}, public=public) == 403
    assert status("POST", {**OURS, "Origin": "http://agents.example.org"}, public=public) == 403


def test_what_is_no_api_and_the_way_back_from_oidc_may_come_from_elsewhere() -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert status("GET", foreign, path="/") == 200
    assert status("GET", foreign, path=CALLBACK) == 200
    assert status("POST", foreign, path=CALLBACK) == 403
