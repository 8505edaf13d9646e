"""Address ranges whose callers need no key: `10.1.0.0/16=classify,review`. For devices that cannot send one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sortline.accounts.scopes import Scope, UnknownScope, in_order, scopes_named
from sortline.errors import SortlineError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A range and what its callers may do."""

    network: Network
    scopes: frozenset[Scope]

    def __str__(self) -> str:
        return f"{self.network}={','.join(in_order(self.scopes))}"


class InvalidTrust(SortlineError):
    """A range to trust that cannot be read, with the reason."""

    def __init__(self, given: str, reason: str) -> None:
        self.given = given
        super().__init__(f"--trust {given!r}: {reason}; as in --trust 10.1.0.0/16=classify,review")


def trust_of(entries: Iterable[str]) -> tuple[Trust, ...]:
    """The ranges, as they are given.

    Raises:
        InvalidTrust: one cannot be read.
    """
    return tuple(map(_trust, entries))


def scopes_from(address: str, trusted: Sequence[Trust]) -> frozenset[Scope]:
    """What an address may do: what every range that holds it grants."""
    if not trusted:
        return frozenset()
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return frozenset()
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped  # how a socket that listens on :: sees callers over IPv4
    return frozenset[Scope]().union(*(one.scopes for one in trusted if found in one.network))


def _trust(given: str) -> Trust:
    place, equals, names = given.partition("=")
    if not equals or not names.strip():
        raise InvalidTrust(given, "it does not say what the range may do")
    try:
        network = ipaddress.ip_network(place.strip())
    except ValueError as error:
        raise InvalidTrust(given, str(error)) from None
    try:
        scopes = scopes_named(name.strip() for name in names.split(","))
    except UnknownScope as error:
        raise InvalidTrust(given, str(error)) from None
    return Trust(network=network, scopes=scopes)
