"""URLs. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library"""

from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import BOOL, STRING, URL, list_of, map_of
from sympozium.cel.values import Opaque


class URLValue(Opaque):
    __slots__ = ("parts", "text")
    cel_name = URL.name

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text = text
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URLValue) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def host(self) -> str:
        return self.parts.netloc.rpartition("@")[2]

    @property
    def hostname(self) -> str:
        """As it is written: Python's own puts it into lower case."""
        host = self.host
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0]

    @property
    def port(self) -> str:
        after = self.host.rpartition("]")[2]
        return after.rpartition(":")[2] if ":" in after else ""


def why_not(text: str) -> str:
    """What Go's ParseRequestURI says, "" for a URL: absolute, or an absolute path."""
    if not text:
        return 'parse "": empty url'
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return f'parse "{text}": net/url: invalid control character in URL'
    scheme, colon, rest = text.partition(":")
    if text.startswith("/") or text == "*":
        return ""
    if (
        not colon
        or not scheme.isascii()
        or not scheme.replace("+", "a").replace("-", "a").replace(".", "a").isalnum()
    ):
        if colon and not scheme:
            return f'parse "{text}": missing protocol scheme'
        return f'parse "{text}": invalid URI for request'
    if not scheme[0].isalpha():
        return f'parse "{text}": first path segment in URL cannot contain colon'
    if not rest.startswith("/"):
        return f'parse "{text}": invalid URI for request'
    try:
        port = URLValue(text, urlsplit(text)).port
    except ValueError:
        return f"parse \"{text}\": missing ']' in host"
    if port and not port.isdigit():
        return f'parse "{text}": invalid port ":{port}" after host'
    return ""


def _url(text: str) -> URLValue:
    why = why_not(text)
    if why:
        raise EvaluationError(f"URL parse error during conversion from string: {why}")
    return URLValue(text, urlsplit(text, allow_fragments=False))


OVERLOADS: list[Overload] = [
    function("url", (STRING,), URL, _url),
    function("isURL", (STRING,), BOOL, lambda text: not why_not(text)),
    method("getScheme", (URL,), STRING, lambda url: url.parts.scheme),
    method("getHost", (URL,), STRING, lambda url: url.host),
    method("getHostname", (URL,), STRING, lambda url: url.hostname),
    method("getPort", (URL,), STRING, lambda url: url.port),
    method("getEscapedPath", (URL,), STRING, lambda url: quote(url.parts.path, safe="/%:@!$&'()*+,;=~-._")),
    method(
        "getQuery",
        (URL,),
        map_of(STRING, list_of(STRING)),
        lambda url: parse_qs(url.parts.query, keep_blank_values=True),
    ),
]
