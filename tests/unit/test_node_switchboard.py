"""What a Service may lead to: its endpoints are written by whoever may write EndpointSlices in a namespace."""

from types import SimpleNamespace

import pytest

from sympozium.addresses import RefusedError
from sympozium.node.services import table
from sympozium.node.switchboard import Switchboard

POD = {"metadata": {"namespace": "mine", "name": "web", "uid": "u1"}}


def switchboard(pod_ip: str = "127.0.0.1") -> Switchboard:
    resident = SimpleNamespace(object=POD, network=None, ip=pod_ip)
    return Switchboard(SimpleNamespace(), SimpleNamespace(), lambda: {"u1": resident})  # type: ignore[arg-type, dict-item]


def backend(namespace: str, name: str, address: str, pod: str = ""):
    """The endpoint of a Service with one hand-made EndpointSlice."""
    labels = {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "anyone"}
    ref = {"targetRef": {"kind": "Pod", "name": "web", "uid": pod}} if pod else {}
    known = table(
        [
            {
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"clusterIP": "127.96.1.1", "ports": [{"port": 80}]},
            }
        ],
        [
            {
                "metadata": {"namespace": namespace, "name": "s", "labels": labels},
                "ports": [{"port": 9}],
                "endpoints": [{"addresses": [address], **ref}],
            }
        ],
    )
    return known.backends["127.96.1.1", 80][0]


@pytest.fixture
def dialled(monkeypatch):
    calls = []

    async def connect(address: str, port: int):
        calls.append((address, port))
        return "reader", "writer"

    monkeypatch.setattr("sympozium.node.switchboard.asyncio.open_connection", connect)
    return calls


@pytest.mark.parametrize(
    ("namespace", "address", "pod"),
    [
        ("mine", "127.0.0.1", ""),
        ("mine", "127.8.8.8", ""),
        ("mine", "::1", ""),
        ("mine", "::ffff:127.0.0.1", ""),
        ("mine", "0.0.0.0", ""),
        ("mine", "169.254.169.254", ""),
        ("mine", "localhost", ""),
        ("mine", "127.8.8.8", "u1"),  # the pod has another address
        ("other", "127.0.0.1", "u1"),  # the pod of somebody else
    ],
)
async def test_a_service_does_not_lead_to_what_listens_on_the_machine(dialled, namespace, address, pod):
    with pytest.raises(RefusedError, match="the machine's own"):
        await switchboard().dial(backend(namespace, "web", address, pod))
    assert dialled == []


@pytest.mark.parametrize(
    ("namespace", "name", "address", "pod"),
    [
        ("mine", "web", "127.0.0.1", "u1"),
        ("default", "kubernetes", "127.0.0.1", ""),
        ("mine", "web", "10.1.2.3", ""),
        ("mine", "web", "::ffff:10.1.2.3", ""),
    ],
)
async def test_it_leads_to_its_pods_and_to_other_machines(dialled, namespace, name, address, pod):
    await switchboard().dial(backend(namespace, name, address, pod))
    assert dialled == [(address, 9)]
