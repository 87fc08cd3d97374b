"""How the bus fails. Apart from what speaks with it, so that who tells of a failure need not load nats-py."""


class BusError(Exception):
    """The bus cannot be reached or refused; trying later is right."""


class BusRefusedError(BusError):
    """The bus is there and does not know this user (any more): revoked, or of another installation."""
