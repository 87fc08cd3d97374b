"""IP addresses and CIDRs. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library"""

import ipaddress

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import BOOL, CIDR, INT, IP, STRING
from sympozium.cel.values import Opaque

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class IPValue(Opaque):
    __slots__ = ("address",)
    cel_name = IP.name

    def __init__(self, address: Address) -> None:
        self.address = address

    @property
    def cel_size(self) -> int:
        return 4 if self.address.version == 4 else 16

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPValue) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)


class CIDRValue(Opaque):
    """An address and the bits of its network; the address keeps its host part."""

    __slots__ = ("address", "bits")
    cel_name = CIDR.name

    def __init__(self, address: Address, bits: int) -> None:
        self.address = address
        self.bits = bits

    @property
    def cel_size(self) -> int:
        return -(-self.bits // 8)

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network((self.address, self.bits), strict=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CIDRValue) and (other.address, other.bits) == (self.address, self.bits)

    def __hash__(self) -> int:
        return hash((self.address, self.bits))


def _refused(text: str) -> str:
    if ":" not in text and "." not in text:
        return f'ParseAddr("{text}"): unable to parse IP'
    if ":" not in text:
        parts = text.split(".")
        for part in parts:
            if not part.isdigit():
                return (
                    f'ParseAddr("{text}"): unexpected character (at "{part}")'
                    if part
                    else f'ParseAddr("{text}"): IPv4 field must have at least one digit'
                )
            if len(part) > 1 and part[0] == "0":
                return f'ParseAddr("{text}"): IPv4 field has octet with leading zero'
            if int(part) > 255:
                return f'ParseAddr("{text}"): IPv4 field has value >255'
        return f'ParseAddr("{text}"): IPv4 address too {"long" if len(parts) > 4 else "short"}'
    return f'ParseAddr("{text}"): unable to parse IP'


def parse_ip(text: str) -> IPValue:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise EvaluationError(
            f'IP Address "{text}" parse error during conversion from string: {_refused(text)}'
        ) from None
    if "%" in text:
        raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return IPValue(address)


def _why(text: str, why: str) -> EvaluationError:
    said = "network address parse error during conversion from string: "
    return EvaluationError(f'{said}{said}netip.ParsePrefix("{text}"): {why}')


def parse_cidr(text: str) -> CIDRValue:
    plain, slash, bits = text.rpartition("/")
    if not slash:
        raise _why(text, "no '/'")
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        raise _why(text, _refused(plain)) from None
    if "%" in plain:
        raise _why(text, "IPv6 zones cannot be present in a prefix")
    if not bits.isascii() or not bits.isdigit() or (len(bits) > 1 and bits[0] == "0"):
        raise _why(text, f'bad bits after slash: "{bits}"')
    if int(bits) > address.max_prefixlen:
        raise _why(text, "prefix length out of range")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        said = "network address parse error during conversion from string: "
        raise EvaluationError(f'{said}IPv4-mapped IPv6 address "{text}" is not allowed')
    return CIDRValue(address, int(bits))


def _valid(parse: type | object, text: str) -> bool:
    try:
        parse(text)  # type: ignore[operator]  # one of the two parsers above
    except EvaluationError:
        return False
    return True


def _contains_ip(cidr: CIDRValue, other: IPValue | str) -> bool:
    address = (parse_ip(other) if isinstance(other, str) else other).address
    return address.version == cidr.address.version and address in cidr.network


def _contains_cidr(cidr: CIDRValue, other: CIDRValue | str) -> bool:
    inner = parse_cidr(other) if isinstance(other, str) else other
    return (
        inner.address.version == cidr.address.version
        and cidr.bits <= inner.bits
        and inner.network.overlaps(cidr.network)
    )


def _global_unicast(ip: IPValue) -> bool:
    address = ip.address
    broadcast = address.version == 4 and int(address) == 2**32 - 1
    return not (
        broadcast
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


def _link_local_multicast(ip: IPValue) -> bool:
    block = "224.0.0.0/24" if ip.address.version == 4 else "ff02::/16"
    if ip.address.version == 6:
        return ip.address.is_multicast and (ip.address.packed[1] & 0x0F) == 2
    return ip.address in ipaddress.ip_network(block)


OVERLOADS: list[Overload] = [
    function("ip", (STRING,), IP, parse_ip),
    method("ip", (CIDR,), IP, lambda cidr: IPValue(cidr.address)),
    function("isIP", (STRING,), BOOL, lambda text: _valid(parse_ip, text)),
    function("ip.isCanonical", (STRING,), BOOL, lambda text: str(parse_ip(text).address) == text),
    function("string", (IP,), STRING, lambda ip: str(ip.address)),
    method("family", (IP,), INT, lambda ip: ip.address.version),
    method("isUnspecified", (IP,), BOOL, lambda ip: ip.address.is_unspecified),
    method("isLoopback", (IP,), BOOL, lambda ip: ip.address.is_loopback),
    method("isLinkLocalMulticast", (IP,), BOOL, _link_local_multicast),
    method("isLinkLocalUnicast", (IP,), BOOL, lambda ip: ip.address.is_link_local),
    method("isGlobalUnicast", (IP,), BOOL, _global_unicast),
    function("cidr", (STRING,), CIDR, parse_cidr),
    function("isCIDR", (STRING,), BOOL, lambda text: _valid(parse_cidr, text)),
    function("string", (CIDR,), STRING, lambda cidr: f"{cidr.address}/{cidr.bits}"),
    method("containsIP", (CIDR, STRING), BOOL, _contains_ip),
    method("containsIP", (CIDR, IP), BOOL, _contains_ip),
    method("containsCIDR", (CIDR, STRING), BOOL, _contains_cidr),
    method("containsCIDR", (CIDR, CIDR), BOOL, _contains_cidr),
    method("prefixLength", (CIDR,), INT, lambda cidr: cidr.bits),
    method("masked", (CIDR,), CIDR, lambda cidr: CIDRValue(cidr.network.network_address, cidr.bits)),
]
