"""Whose address a call has: the peer's, or what trusted proxies say was before them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from thinkaloud_server.rpc.address import caller_of, counted_as

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("::1"))


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("ipv6:[2001:db8::1]:5", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:5", "2001:db8::1"),
        ("ipv6:[2001:DB8:0:0::1]:5", "2001:db8::1"),
        ("ipv6:[::ffff:192.0.2.7]:5", "192.0.2.7"),
        ("ipv6:[fe80::1%25eth0]:5", "fe80::1"),
        ("unix:", ""),
        ("unix:/run/thinkaloud.sock", ""),
        ("local", ""),
        ("unknown", ""),
        ("", ""),
        ("ipv4:", ""),
        ("ipv4:nonsense:5", ""),
    ],
)
def test_without_a_proxy_the_peer_is_the_caller(peer: str, address: str) -> None:
    assert caller_of(peer, [], TRUSTED) == address
    assert caller_of(peer, [], ()) == address


@pytest.mark.parametrize("trusted", [(), TRUSTED], ids=["nobody", "others"])
def test_who_is_not_trusted_says_nothing_by_a_header(trusted: tuple[object, ...]) -> None:
    assert caller_of("ipv4:192.0.2.7:1", ["203.0.113.9"], trusted) == "192.0.2.7"  # type: ignore[arg-type]  # either


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.1.2.3, 10.4.5.6"], "203.0.113.9"),
        (["8.8.8.8, 203.0.113.9", "10.1.2.3"], "203.0.113.9"),
        (["nonsense, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::9]:443"], "2001:db8::9"),
        (["2001:db8::9"], "2001:db8::9"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
    ],
    ids=str,
)
def test_the_last_address_that_is_no_trusted_proxy_is_the_callers(forwarded: list[str], address: str) -> None:
    assert caller_of("ipv4:10.0.0.1:1", forwarded, TRUSTED) == address
    assert caller_of("ipv6:%5B::1%5D:1", forwarded, TRUSTED) == address


@pytest.mark.parametrize(
    "forwarded",
    [
        [""],
        ["nonsense"],
        ["203.0.113.9,"],
        ["203.0.113.9, unknown"],
        ["203.0.113.9, nonsense, 10.1.2.3"],
        ["203.0.113.999"],
        ["203.0.113"],
        ["for=203.0.113.9"],
        ["1234567890"],
        ["٢٠٣.0.113.9"],
    ],
    ids=str,
)
def test_what_is_malformed_makes_it_the_peers_own(forwarded: list[str]) -> None:
    assert caller_of("ipv4:10.0.0.1:1", forwarded, TRUSTED) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("", ""),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_everybody_of_an_ipv6_network_is_counted_as_one(address: str, counted: str) -> None:
    assert counted_as(address) == counted
