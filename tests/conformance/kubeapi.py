"""A client that shows what is on the wire: status, headers and body, and watches line by line."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes
    warnings: list[str]

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def refused(self, code: int, reason: str, *texts: str) -> Any:
        """The Status, after checking code, reason and parts of the message."""
        assert self.status == code, self.raw
        status = self.json
        assert (status["kind"], status["code"], status["reason"]) == ("Status", code, reason)
        for text in texts:
            assert text in status["message"], status["message"]
        return status


class Watch:
    def __init__(self, connection: http.client.HTTPSConnection, path: str, headers: dict[str, str]) -> None:
        self._connection = connection
        connection.request("GET", path, None, headers)
        self._response = connection.getresponse()
        self.status = self._response.status

    def next(self) -> Any:
        """The next event; None at the end of the stream. The connection's timeout bounds the wait."""
        line = self._response.readline()
        return json.loads(line) if line else None

    def take(self, count: int) -> list[Any]:
        return [self.next() for _ in range(count)]


class Api:
    """One identity's connection; `token` None is anonymous."""

    def __init__(self, url: str, token: str | None, ca_file: str) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._context = ssl.create_default_context(cafile=ca_file)
        self._connection = self._connect()

    def _connect(self, timeout: float = 30.0) -> http.client.HTTPSConnection:
        host, port = self._address.hostname, self._address.port
        assert host is not None
        return http.client.HTTPSConnection(host, port, context=self._context, timeout=timeout)

    def _headers(self, accept: str | None) -> dict[str, str]:
        headers = {"User-Agent": "checks/1.0"}
        if accept is not None:
            headers["Accept"] = accept
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        ct: str = JSON,
        accept: str | None = JSON,
        **more: str,
    ) -> Answer:
        headers = self._headers(accept)
        raw = None
        if body is not None:
            raw = body if isinstance(body, bytes | str) else json.dumps(body)
            headers["Content-Type"] = ct
        headers.update({key.replace("_", "-"): value for key, value in more.items()})
        self._connection.request(method, path, raw, headers)
        response = self._connection.getresponse()
        data = response.read()
        names = {name.lower(): value for name, value in response.getheaders()}
        warnings = [value for name, value in response.getheaders() if name.lower() == "warning"]
        return Answer(response.status, names, data, warnings)

    def get(self, path: str, **more: Any) -> Answer:
        return self.request("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> Answer:
        return self.request("POST", path, body, **more)

    def put(self, path: str, body: Any, **more: Any) -> Answer:
        return self.request("PUT", path, body, **more)

    def delete(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("DELETE", path, body, **more)

    def patch(self, path: str, body: Any, ct: str = MERGE, **more: Any) -> Answer:
        return self.request("PATCH", path, body, ct=ct, **more)

    def apply(self, path: str, body: Any, manager: str, *, force: bool = False) -> Answer:
        query = f"?fieldManager={quote(manager)}" + ("&force=true" if force else "")
        return self.request("PATCH", path + query, body, ct=APPLY)

    @contextmanager
    def watch(self, path: str, *, accept: str = JSON) -> Iterator[Watch]:
        connection = self._connect(timeout=60)
        try:
            yield Watch(connection, path, self._headers(accept))
        finally:
            connection.close()

    def eventually(self, path: str, wanted: Any, *, within: float = 20.0) -> Answer:
        """GET until `wanted(answer)` holds; for what a controller does. Bounded, and says what it last saw."""
        deadline = time.monotonic() + within
        while True:
            answer = self.get(path)
            if wanted(answer):
                return answer
            assert time.monotonic() < deadline, f"{path}: still {answer.status} {answer.raw[:500]!r}"
            time.sleep(0.02)

    def close(self) -> None:
        self._connection.close()
