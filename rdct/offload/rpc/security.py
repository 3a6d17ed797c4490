# SPDX-License-Identifier: Apache-2.0
"""Who may listen where, and who is let in (docs/architecture.md, section 5, Trust)."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path

import grpc

__all__ = [
    "channel_credentials",
    "check_listening",
    "check_sending",
    "host_of",
    "is_loopback",
    "read_token",
    "server_credentials",
    "token_matches",
]

_SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine; a name other than localhost is not taken on trust."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """The host of ``HOST:PORT`` or ``[IPv6]:PORT``.

    Raises
    ------
    ValueError
        It is neither, or the port is outside 1..65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{address!r} is not HOST:PORT with a port in 1..65535")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r}: write an IPv6 address as [ADDRESS]:PORT")
    return host.strip("[]")


def check_listening(host: str, *, tls: bool, token: bool, insecure: bool) -> None:
    """Whether a server may listen on this host.

    Raises
    ------
    ValueError
        Others could reach it, it lacks TLS or a token, and nobody said that this is meant.
    """
    if is_loopback(host) or (tls and token) or insecure:
        return
    missing = " and ".join(
        name for name, given in (("--tls-cert with --tls-key", tls), ("--token-file", token)) if not given
    )
    raise ValueError(
        f"{host} can be reached from other machines, but {missing} {'are' if ' and ' in missing else 'is'} "
        "missing; give both, listen on 127.0.0.1, or say --insecure on a network you trust"
    )


def check_sending(address: str, *, tls: bool, token: bool) -> None:
    """Whether a device may send its token to this address.

    Raises
    ------
    ValueError
        The token would cross a network unencrypted.
    """
    if token and not tls and not is_loopback(host_of(address)):
        raise ValueError(f"the token would go to {address} in the clear; give --tls-ca as well")


def read_token(path: str | Path) -> str:
    """The token in a file: its text without white space around it.

    Raises
    ------
    ValueError
        Shorter than 16 characters, or not printable ASCII without spaces.
    OSError
        The file cannot be read.
    """
    data = Path(path).read_bytes().strip()
    if len(data) < _SHORTEST_TOKEN:
        raise ValueError(
            f"{path} holds a token of {len(data)} characters; at least {_SHORTEST_TOKEN} are needed: "
            "openssl rand -hex 32 makes one"
        )
    if any(not 33 <= byte <= 126 for byte in data):
        raise ValueError(f"{path}: a token is printable ASCII without spaces, on one line")
    return data.decode("ascii")


def token_matches(metadata: object, token: str | None) -> bool:
    """Whether a call's metadata carry the token; always, if none is asked for."""
    if token is None:
        return True
    given = dict(metadata or ()).get("authorization", "")
    given = given.encode() if isinstance(given, str) else given
    return hmac.compare_digest(given, f"Bearer {token}".encode())


def server_credentials(certificate: str | Path, key: str | Path) -> grpc.ServerCredentials:
    """TLS of a server from two PEM files: its certificate chain and its private key.

    Raises
    ------
    ValueError
        A file is no PEM of its kind.
    OSError
        A file cannot be read.
    """
    chain, private = _pem(certificate, b"CERTIFICATE"), _pem(key, b"PRIVATE KEY")
    return grpc.ssl_server_credentials([(private, chain)])


def channel_credentials(authority: str | Path) -> grpc.ChannelCredentials:
    """TLS of a device: the PEM file holds the certificates it trusts, and no others are."""
    return grpc.ssl_channel_credentials(_pem(authority, b"CERTIFICATE"))


def _pem(path: str | Path, kind: bytes) -> bytes:
    data = Path(path).read_bytes()
    if b"-----BEGIN " not in data or kind + b"-----" not in data:
        raise ValueError(f"{path} is no PEM file with a {kind.decode().lower()}")
    return data
