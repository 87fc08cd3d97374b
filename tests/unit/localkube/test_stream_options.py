"""The parameters of exec, attach and port-forward: as the API reads them, as a kubelet gets them."""

import pytest

from sympozium.localkube.errors import ApiError
from sympozium.localkube.handlers.streams import options


def test_exec() -> None:
    made = options.parse(
        "exec", "command=sh&command=-c&command=a%20b%26&stdin=true&stdout=1&stderr=false&tty&container=c"
    )
    assert made.kubelet_query() == "input=1&output=1&tty=1&command=sh&command=-c&command=a+b%26"
    assert made.as_object() == {"kind": "PodExecOptions", "apiVersion": "v1", "stdin": True, "stdout": True, "tty": True,
                                "container": "c", "command": ["sh", "-c", "a b&"]}  # fmt: skip


def test_attach_has_no_command() -> None:
    assert options.parse("attach", "command=x&stdout=1&stdin=0&stderr=FALSE").kubelet_query() == "output=1"


def test_ports() -> None:
    assert options.parse("portforward", "ports=80&ports=81,82").kubelet_query() == "port=80%2C81%2C82"
    with pytest.raises(ApiError, match=r'strconv\.ParseUint: parsing "8x": invalid syntax') as refused:
        options.parse("portforward", "ports=8x")
    assert refused.value.code == 400
