"""Where a caller is: one rule for every channel, of the peer and of what proxies that are trusted say was before it.

`x-forwarded-for` is what anybody writes into it. It is read only of a peer that the configuration names, and from the
right, where each proxy adds who called it: the first address that is no trusted proxy is the caller's. Whatever is
malformed on the way makes it the peer's own. `forwarded`, `x-real-ip` and the like are not read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED_FOR = "x-forwarded-for"
# What one customer of a network gets is at least this, and so is one caller however many addresses it uses.
_IPV6_BITS = 64


def caller_of(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The caller's address; "" for what has none: a socket of this machine, or this process itself.

    `peer` is in the words of grpc ("ipv4:127.0.0.1:5", "ipv6:[::1]:5"); `forwarded` are the values of x-forwarded-for
    in their order.
    """
    near = _of_peer(peer)
    if near is None:
        return ""
    if not forwarded or not _is_in(near, trusted):
        return str(near)
    found = near
    for hop in reversed(",".join(forwarded).split(",")):
        address = _of_hop(hop.strip())
        if address is None:
            return str(near)
        found = address
        if not _is_in(address, trusted):
            break
    return str(found)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether it is one of those proxies."""
    near = _of_peer(peer)
    return near is not None and _is_in(near, trusted)


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """As whom it is counted: itself, and with IPv6 everybody of its /64."""
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address
    return str(IPv6Network((int(parsed) >> _IPV6_BITS << _IPV6_BITS, _IPV6_BITS)))


def _of_peer(peer: str) -> Address | None:
    kind, _, place = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    host = place.rpartition(":")[0]
    return _parsed(host.removeprefix("%5B").removesuffix("%5D").strip("[]"))  # grpc writes brackets percent-encoded


def _of_hop(text: str) -> Address | None:
    """An address as proxies write it: some with a port, IPv6 then in brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _parsed(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])  # a zone is of one machine's own
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
