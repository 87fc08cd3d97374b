"""`fetch_url` against a real server on loopback, which is what it must not reach by itself."""

import asyncio
import ipaddress

import pytest

from sympozium.tools import fetch as module
from sympozium.tools.fetch import FetchError, fetch, is_public


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
     "2002:7f00:1::", "ff02::1", "::", "::7f00:1", "::169.254.169.254", "64:ff9b:1::7f00:1", "fec0::1",
     "2001:0:7f00:1::", "198.18.0.1", "192.0.2.1", "240.0.0.1", "2001:db8::1"],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "only http"),
        ("http://", "only http"),
        ("http://u:p@example.com/", "credentials in a URL"),
        ("http://127.0.0.1/", "not of the public internet"),
        ("http://localhost:1/", "not of the public internet"),
        ("http://[::1]/", "not of the public internet"),
        ("http://2130706433/", "not of the public internet"),
        ("http://0x7f.1/", "not of the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not of the public internet"),
        ("http://example.com:99999/", "no URL"),
        ("http://0177.0.0.1/", "not of the public internet"),
        ("http://[::ffff:7f00:1]/", "not of the public internet"),
        ("http://exa\tmple.com/", "printable ASCII"),
        ("http://example.com\\@127.0.0.1/", "backslashes"),
        ("http://ex\u0430mple.com/", "punycode"),
        ("http://example.com/\u200b", "printable ASCII"),
        ("http://1.1.1.1/a b", "percent-encode the path"),
    ],
)
async def test_refused(url: str, says: str) -> None:
    with pytest.raises(FetchError, match=says):
        await fetch(url)


async def test_a_name_with_one_private_address_is_refused(monkeypatch) -> None:
    async def both(*_a, **_k):
        return [(2, 1, 6, "", ("1.1.1.1", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    with pytest.raises(FetchError, match=r"10\.0\.0\.1"):
        await fetch("http://rebind.example/")


@pytest.fixture
async def server():
    """Answers by path; `seen` are the requests' first lines and headers."""
    seen: list[bytes] = []

    async def answer(reader, writer):
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # a client that was refused before it asked
            writer.close()
            return
        seen.append(request)
        path = request.split(b" ")[1].decode()
        bodies = {
            "/": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
            "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "/close": b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
            "/inside": b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            "/again": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            "/loop": b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
            "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            "/long": b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000,
        }
        writer.write(bodies.get(path, b"nonsense\r\n\r\n"))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", seen
    listener.close()


def loopback(address) -> bool:
    return address.is_loopback


async def test_bodies_of_every_framing(server) -> None:
    url, seen = server
    for path, body in (("/", b"hello"), ("/chunks", b"abcde"), ("/close", b"until the end")):
        page = await fetch(url + path, headers={"X-Mine": "1"}, allowed=loopback)
        assert (page.status, page.body, page.truncated) == (200, body, False)
    assert b"X-Mine: 1" in seen[0]
    assert seen[0].startswith(b"GET / HTTP/1.1\r\n")


async def test_redirects_are_checked_like_urls(server) -> None:
    url, seen = server
    page = await fetch(url + "/again", headers={"X-Mine": "1"}, allowed=loopback)
    assert page.body == b"hello"
    assert b"X-Mine" not in seen[-1]
    with pytest.raises(FetchError, match=r"10\.0\.0\.1, which is not"):
        await fetch(url + "/inside", allowed=loopback)
    with pytest.raises(FetchError, match="more than 5 redirects"):
        await fetch(url + "/loop", allowed=loopback)


async def test_a_redirect_that_is_not_agreed_to_is_not_followed(server) -> None:
    url, seen = server
    asked: list[str] = []

    def refused(following: str) -> str | None:
        asked.append(following)
        return "no [rule]"

    with pytest.raises(FetchError, match=r"not followed: no \[rule\]; call fetch_url with that URL"):
        await fetch(url + "/again", allowed=loopback, refused=refused)
    assert asked == [url + "/"]
    assert len(seen) == 1


async def test_limits_errors_and_the_policy(server, monkeypatch) -> None:
    url, _ = server
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    page = await fetch(url + "/long", allowed=loopback)
    assert (len(page.body), page.truncated) == (1000, True)
    assert (await fetch(url + "/missing", allowed=loopback)).status == 404
    with pytest.raises(FetchError, match="not HTTP"):
        await fetch(url + "/nonsense", allowed=loopback)
    with pytest.raises(FetchError, match="header Host cannot be set"):
        await fetch(url, headers={"Host": "x"}, allowed=loopback)
    with pytest.raises(FetchError, match="header is not valid"):
        await fetch(url, headers={"A": "b\r\nC: d"}, allowed=loopback)
    with pytest.raises(FetchError, match="policy of this run does not allow"):
        await fetch(url, allowed=loopback, permitted=lambda host, port, addresses: False)


@pytest.mark.parametrize(
    ("host", "says"),
    [("127.1.0.1", "not of the public internet"), ("0x7f010001", "not of the public internet")],
)
async def test_the_relay_is_not_reached_by_its_address(host: str, says: str) -> None:
    with pytest.raises(FetchError, match=says):
        await fetch(f"http://{host}/")
