"""PodExecOptions, PodAttachOptions and PodPortForwardOptions in a query, and the query that a kubelet gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from sympozium.localkube.errors import bad_request
from sympozium.localkube.types import Object

KINDS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}
_KUBELET = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """`container` is "" where the client named none."""

    kind: str
    container: str
    flags: tuple[str, ...]
    """Those of stdin, stdout, stderr, tty that are set."""
    command: tuple[str, ...]
    ports: tuple[int, ...]

    def as_object(self) -> Object:
        """As admission sees them: what is empty is left out."""
        fields: Object = dict.fromkeys(self.flags, True)
        fields |= {"container": self.container, "command": list(self.command), "ports": list(self.ports)}
        return {"kind": self.kind, "apiVersion": "v1"} | {
            name: value for name, value in fields.items() if value
        }

    def kubelet_query(self) -> str:
        pairs = [(_KUBELET[name], "1") for name in self.flags] + [("command", word) for word in self.command]
        if self.ports:
            pairs.append(("port", ",".join(map(str, self.ports))))
        return urlencode(pairs)


def parse(subresource: str, query_string: str) -> StreamOptions:
    """Raises ApiError 400."""
    query = parse_qs(query_string, keep_blank_values=True)
    if subresource == "portforward":
        ports = tuple(_port(text) for value in query.get("ports", ()) for text in value.split(","))
        return StreamOptions(KINDS[subresource], "", (), (), ports)
    flags = tuple(name for name in _KUBELET if _flag(query, name))
    command = tuple(query.get("command", ())) if subresource == "exec" else ()
    return StreamOptions(KINDS[subresource], query.get("container", [""])[0], flags, command, ())


def _flag(query: Mapping[str, list[str]], name: str) -> bool:
    """As the API server reads booleans of a query: anything but `0` and `false` is true, and the bare name too."""
    return name in query and query[name][0].lower() not in {"0", "false"}


def _port(text: str) -> int:
    digits = text.isascii() and text.isdigit()
    if not digits or int(text) >= 1 << 64:
        why = "value out of range" if digits else "invalid syntax"
        raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": {why}')
    return int(text)
