"""Hosts as they are written. It loads nothing, since a completion of the command line and a skill's start come by here."""


def in_url(host: str) -> str:
    """A host name or address as it stands before the port in a URL, a Host header or a CONNECT: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
