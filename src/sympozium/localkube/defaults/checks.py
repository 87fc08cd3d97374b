"""Small values that the rules of several kinds share: numbers, ports, addresses, paths, words of a list."""

import ipaddress
import re
from typing import Any

from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause

Causes = list[Cause]
NOT_NEGATIVE = "must be greater than or equal to 0"
MAX_INT32 = 2**31 - 1
ADDRESS_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',"
    "  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def not_negative(value: int | None, path: str) -> Causes:
    return [gotext.invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def between(value: int | None, low: int, high: int, path: str) -> Causes:
    """`value` may be None."""
    if value is None or low <= value <= high:
        return []
    return [gotext.invalid(path, value, f"must be between {low} and {high}, inclusive")]


def port_number(value: int, path: str) -> Causes:
    return between(value, 1, 65535, path)


def port_name_errors(name: str) -> list[str]:
    """https://www.rfc-editor.org/rfc/rfc6335#section-5.1"""
    errors = []
    if len(name) > 15:
        errors.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        errors.append("must contain at least one letter (a-z)")
    if "--" in name:
        errors.append("must not contain consecutive hyphens")
    if name and (name.startswith("-") or name.endswith("-")):
        errors.append("must not begin or end with a hyphen")
    return errors


def port_or_name(value: Any, path: str) -> Causes:
    """An IntOrString that names a port."""
    if isinstance(value, str):
        return [gotext.invalid(path, value, why) for why in port_name_errors(value)]
    return port_number(value or 0, path)


def address(value: str, path: str) -> Causes:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return [gotext.invalid(path, value, ADDRESS_TEXT)]
    return []


def word(value: Any, supported: tuple[str, ...], path: str) -> Causes:
    """One of a few words, and never none."""
    if value in supported:
        return []
    return [gotext.required(path)] if value in {None, ""} else [gotext.unsupported(path, value, supported)]


def optional_word(value: Any, supported: tuple[str, ...], path: str) -> Causes:
    """One of a few words, or nothing at all."""
    return [] if value is None or value in supported else [gotext.unsupported(path, value, supported)]


def no_backsteps(value: str, path: str) -> Causes:
    return [gotext.invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def below(value: str, path: str) -> Causes:
    """A relative path that stays below where it starts."""
    causes = [gotext.invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return causes + no_backsteps(value, path)


def unreserved(value: str, path: str) -> Causes:
    """`below`, and the name does not begin like those that a volume's writer uses itself."""
    causes = below(value, path)
    if value.startswith("..") and not value.startswith("../"):
        causes.append(gotext.invalid(path, value, "must not start with '..'"))
    return causes


def file_mode(value: int | None, path: str) -> Causes:
    if value is None or 0 <= value <= 0o777:
        return []
    return [gotext.invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive")]


def config_key(key: str, path: str) -> Causes:
    """The key of a ConfigMap or Secret."""
    if len(key) > 253:
        return [gotext.invalid(path, key, "must be no more than 253 characters")]
    if key in {".", ".."}:
        return [gotext.invalid(path, key, f"must not be '{key}'")]
    return [] if _CONFIG_KEY.fullmatch(key) else [gotext.invalid(path, key, CONFIG_KEY_TEXT)]
