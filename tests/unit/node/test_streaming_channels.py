"""The channels of a remote command over both connections, on values; options, sizes, last words, negotiation."""

import base64
import json

import pytest
from wsproto.connection import Connection as WsConnection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sympozium.node.server import RequestError
from sympozium.node.streaming import channels, portforward, remote, upgrade
from sympozium.node.streaming.channels import (
    ERROR,
    RESIZE,
    STDIN,
    STDOUT,
    ChannelsError,
    SpdyChannels,
    WebSocketChannels,
)
from sympozium.node.streaming.session import Session
from sympozium.node.streaming.spdy import Data, Decoder, Encoder, Opened, Replied, Reset, data, ping, reset
from sympozium.node.streaming.websocket import WebSocket
from sympozium.node.taps import LIMIT, Taps


class Wire:
    """A connection: what is read was given before, what is written is kept."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.written = b""
        self.closed = False

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, content: bytes) -> None:
        self.written += content

    async def close(self) -> None:
        self.closed = True


def client() -> WsConnection:
    return WsConnection(ConnectionType.CLIENT)


async def all_of(received: channels.Channels) -> list[tuple[int, bytes | None]]:
    found = []
    while (item := await received.receive()) is not None:
        found.append(item)
    return found


async def test_websocket_messages_in_pieces_and_the_end_of_stdin() -> None:
    peer = client()
    raw = peer.send(BytesMessage(b"\0he", message_finished=False)) + peer.send(BytesMessage(b"llo"))
    raw += (
        peer.send(BytesMessage(b"\1not a client's"))
        + peer.send(BytesMessage(b"\4{}"))
        + peer.send(BytesMessage(b""))
    )
    raw += peer.send(BytesMessage(b"\xff\0")) + peer.send(CloseConnection(1000))
    wire = Wire(*(raw[i : i + 7] for i in range(0, len(raw), 7)))
    made = WebSocketChannels(WebSocket(wire), "v5.channel.k8s.io")  # type: ignore[arg-type]
    found = await all_of(made)
    assert b"".join(content for channel, content in found if channel == STDIN and content) == b"hello"
    assert [channel for channel, _ in found if channel != STDIN] == [RESIZE, RESIZE][
        : sum(c == RESIZE for c, _ in found)
    ]
    assert found[-1] == (STDIN, None)


async def test_websocket_version_4_has_no_end_of_stdin() -> None:
    peer = client()
    wire = Wire(peer.send(BytesMessage(b"\xff\0")), peer.send(BytesMessage(b"\0x")))
    assert await all_of(WebSocketChannels(WebSocket(wire), "v4.channel.k8s.io")) == [(STDIN, b"x")]  # type: ignore[arg-type]


async def test_websocket_base64() -> None:
    peer = client()
    wire = Wire(peer.send(TextMessage("0" + base64.b64encode(b"in").decode())))
    made = WebSocketChannels(WebSocket(wire), "v4.base64.channel.k8s.io")  # type: ignore[arg-type]
    assert await all_of(made) == [(STDIN, b"in")]
    await made.send(STDOUT, b"out")
    peer.receive_data(wire.written)
    assert [event.data for event in peer.events()] == ["1" + base64.b64encode(b"out").decode()]


async def test_websocket_answers_pings_and_refuses_garbage() -> None:
    peer = client()
    wire = Wire(peer.send(Ping(b"hi")), b"\xff" * 20)
    assert await all_of(WebSocketChannels(WebSocket(wire), "v5.channel.k8s.io")) == []  # type: ignore[arg-type]
    peer.receive_data(wire.written)
    events = list(peer.events())
    assert isinstance(events[0], Pong)
    assert isinstance(events[1], CloseConnection)


def opened(encoder: Encoder, *names: str) -> bytes:
    return b"".join(encoder.open(2 * i + 1, {"streamtype": name}) for i, name in enumerate(names))


async def test_spdy_streams_data_and_last_words() -> None:
    raw = opened(Encoder(), "error", "stdin", "stdout") + data(3, b"hello", fin=True) + ping(1)
    wire = Wire(*(raw[i : i + 9] for i in range(0, len(raw), 9)))
    made = SpdyChannels(Session(wire), "v4.channel.k8s.io")
    await made.open({STDIN, STDOUT, ERROR})
    found = await all_of(made)
    assert b"".join(content or b"" for _, content in found) == b"hello"
    assert found[-1] == (STDIN, None)
    await made.send(STDOUT, b"out")
    await made.finish(remote.exited(3))
    events = list(Decoder().feed(wire.written))
    assert [e.stream for e in events if isinstance(e, Replied)] == [1, 3, 5]
    sent = [e for e in events if isinstance(e, Data)]
    assert [(e.stream, e.fin) for e in sent] == [(5, False), (5, True), (1, False), (1, True)]
    assert json.loads(sent[2].data)["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_spdy_client_that_leaves_or_sends_what_is_not_spdy() -> None:
    for raw in (opened(Encoder(), "error"), b"\x80\x02" + b"\0" * 6, opened(Encoder(), "nonsense")):
        with pytest.raises(ChannelsError):
            await SpdyChannels(Session(Wire(raw)), "v4.channel.k8s.io").open({STDIN, ERROR})


async def test_session_forgets_streams_that_have_ended() -> None:
    encoder = Encoder()
    wire = Wire(opened(encoder, "data", "error"), data(1, b"", fin=True), reset(3, 5), encoder.open(2, {}))
    session = Session(wire)
    assert [type(event) async for event in session.events()] == [
        Opened,
        Opened,
        Data,
        Reset,
    ]  # even: not a client's
    assert list(session.headers) == [1]
    await session.finish(1)
    assert not session.headers
    await session.send(1, b"dropped")
    assert not any(isinstance(e, Data) and e.data for e in Decoder().feed(wire.written))


def test_options() -> None:
    made = remote.options_of(
        {"input": ["1"], "output": ["1"], "error": ["1"], "tty": ["1"], "command": ["a", "b"]}
    )
    assert (made.command, made.stderr) == (("a", "b"), False)
    assert made.channels == {STDIN, STDOUT, ERROR, RESIZE}
    with pytest.raises(RequestError, match="you must specify at least 1 of stdin, stdout, stderr"):
        remote.options_of({"tty": ["1"], "output": ["true"]})


def test_sizes_in_any_pieces() -> None:
    seen: list[tuple[int, int]] = []
    sizes = remote.Sizes(lambda width, height: seen.append((width, height)))
    text = (
        b'{"Width":80,"Height":24}\n{"Width":100,"Height":30}{"Width":-1,"Height":1}"x"{"Width":9,"Height":8}'
    )
    for i in range(0, len(text), 5):
        sizes.feed(text[i : i + 5])
    assert seen == [(80, 24), (100, 30), (9, 8)]


def test_last_words_by_version() -> None:
    assert json.loads(channels.final_words(remote.success(), 4)) == {"metadata": {}, "status": "Success"}
    assert channels.final_words(remote.success(), 1) == b""
    assert b"exit code 2" in channels.final_words(remote.exited(2), 3)


def head(**headers: str) -> upgrade.Head:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return upgrade.Head("GET", ("exec",), {}, pairs)


KEY = {
    "connection": "keep-alive, Upgrade",
    "upgrade": "websocket",
    "sec_websocket_version": "13",
    "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_websocket_handshake_of_the_rfc() -> None:
    chosen = upgrade.choose(
        head(**KEY, sec_websocket_protocol="x, v4.channel.k8s.io"), websocket=channels.WEBSOCKET, spdy=()
    )
    assert chosen.websocket
    assert chosen.protocol == "v4.channel.k8s.io"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in chosen.answer


@pytest.mark.parametrize(
    ("headers", "code", "why"),
    [
        ({}, 400, "Upgrade request required"),
        ({**KEY, "sec_websocket_key": "short"}, 400, "RFC 6455"),
        ({**KEY, "sec_websocket_protocol": "v9.channel.k8s.io"}, 400, "unable to upgrade"),
        ({"connection": "Upgrade", "upgrade": "h2c"}, 400, "only websocket and SPDY/3.1"),
        ({"connection": "Upgrade", "upgrade": "SPDY/3.1", "x_stream_protocol_version": "v9"}, 403, "unable to negotiate protocol"),
    ],
)  # fmt: skip
def test_upgrades_that_are_refused(headers: dict[str, str], code: int, why: str) -> None:
    with pytest.raises(RequestError, match=why) as refused:
        upgrade.choose(head(**headers), websocket=channels.WEBSOCKET, spdy=channels.SPDY)
    assert refused.value.code == code


def test_ports() -> None:
    assert portforward.ports_of({"port": ["80,81", "9"]}) == [80, 81, 9]
    for wrong in ("", "0", "65536", "1e3", "-1", "\u0661", "9" * 5000):
        with pytest.raises(RequestError):
            portforward.port_of(wrong)
    with pytest.raises(RequestError, match='"port" is required'):
        portforward.ports_of({})


async def test_a_tap_that_is_full_holds_the_output_until_it_is_taken() -> None:
    resumed: list[bool] = []
    taps = Taps(lambda: resumed.append(True))
    slow, quick = taps.add(), taps.add()
    taps.put("stdout", b"x" * LIMIT)
    assert taps.full
    await quick.get()
    assert not resumed
    assert await slow.get() == ("stdout", b"x" * LIMIT)
    assert resumed
    assert not taps.full
    taps.end()
    assert await slow.get() is None
    assert await taps.add().get() is None
