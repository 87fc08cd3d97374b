"""Logs through the API server: a node that serves them as a kubelet does, on real TLS."""

import asyncio
import ssl

import pytest

from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.localkube.errors import ApiError
from sympozium.localkube.handlers.logs import NodeLogs, _container, _query
from sympozium.localkube.wire import Request, Stream

NONSENSE = b"no HTTP at all\r\n\r\n"
UNREAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def node(authority):
    """A node whose answer is `answer`; yields it with what it was asked for and by whom."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.serving.certificate, authority.serving.key)
    context.load_verify_locations(authority.certificate_path)
    context.verify_mode = ssl.CERT_REQUIRED

    class Node:
        def __init__(self):
            self.answer = b""
            self.asked = []
            self.more = asyncio.Event()
            self.left = asyncio.Event()
            self.writers = []
            self.port = 0

    made = Node()

    async def serve(reader, writer):
        made.writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        subject = dict(item[0] for item in writer.get_extra_info("ssl_object").getpeercert()["subject"])
        made.asked += [head.split("\r\n")[0], subject["commonName"]]
        writer.write(made.answer)
        if made.answer in (NONSENSE, UNREAD):
            await reader.read()
            made.left.set()
        elif b"chunked" in made.answer:
            await made.more.wait()
            writer.write(b"5\r\nlast\n\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.more.set()
    server.close()
    await server.wait_closed()
    # A farewell of TLS may wait for the other side's, and the loop ends here.
    for writer in made.writers:
        writer.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
def logs(authority):
    client = authority.kubelet_client
    return NodeLogs(certificate=client.certificate, key=client.key, authority=authority.certificate_path)


async def test_a_whole_log(node, logs):
    node.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nline1\n"
    response = await logs.open("127.0.0.1", node.port, "/containerLogs/n/p/c?tailLines=1")
    assert response.status == 200
    assert [chunk async for chunk in response.chunks()] == [b"line1\n"]
    assert node.asked == ["GET /containerLogs/n/p/c?tailLines=1 HTTP/1.1", "kube-apiserver-kubelet-client"]


async def test_a_followed_log_arrives_as_it_is_written(node, logs):
    node.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n"
    response = await logs.open("127.0.0.1", node.port, "/containerLogs/n/p/c?follow=true")
    chunks = response.chunks()
    assert await anext(chunks) == b"first\n"
    node.more.set()
    assert await anext(chunks) == b"last\n"
    assert [chunk async for chunk in chunks] == []


async def test_a_followed_log_ends_when_the_client_leaves(node, logs):
    node.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n"
    response = await logs.open("127.0.0.1", node.port, "/containerLogs/n/p/c?follow=true")
    chunks = response.chunks()
    assert await anext(chunks) == b"first\n"
    response.abort()
    assert [chunk async for chunk in chunks] == []


async def test_a_node_that_answers_nonsense_is_left(node, logs):
    node.answer = NONSENSE
    with pytest.raises(ApiError, match="Internal error occurred: Get"):
        await logs.open("127.0.0.1", node.port, "/containerLogs/n/p/c")
    async with asyncio.timeout(60):
        await node.left.wait()


async def test_a_client_that_leaves_before_the_first_piece_leaves_no_connection(node, logs):
    node.answer = UNREAD
    response = await logs.open("127.0.0.1", node.port, "/containerLogs/n/p/c?follow=true")
    await Stream(chunks=response.chunks(), on_close=response.abort).close()
    async with asyncio.timeout(60):
        await node.left.wait()


async def test_a_node_that_is_not_there(logs):
    with pytest.raises(ApiError, match="Internal error occurred: Get") as caught:
        await logs.open("127.0.0.1", 1, "/containerLogs/n/p/c")
    assert caught.value.code == 500


POD = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]},
}


def test_which_container_is_meant():
    assert _container(POD, "b") == "b"
    assert _container(POD, "i") == "i"
    with pytest.raises(ApiError, match=r"choose one of: \[a b\] or one of the init containers: \[i\]"):
        _container(POD, "")
    with pytest.raises(ApiError, match="container z is not valid for pod p"):
        _container(POD, "z")
    annotated = {
        **POD,
        "metadata": {"name": "p", "annotations": {"kubectl.kubernetes.io/default-container": "b"}},
    }
    assert _container(annotated, "") == "b"
    assert _container({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}, "") == "a"


def test_parameters_go_on_or_are_refused():
    def query(text):
        return _query(Request(method="GET", path="/", query_string=text), "p")

    assert query("follow=true&tailLines=0&timestamps=1&previous=false&container=c") == {
        "follow": "true", "timestamps": "true", "tailLines": "0",
    }  # fmt: skip
    for wrong in (
        "tailLines=-1",
        "limitBytes=0",
        "sinceSeconds=x",
        "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
    ):
        with pytest.raises(ApiError) as caught:
            query(wrong)
        assert caught.value.code == 422
