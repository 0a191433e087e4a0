"""Addresses and what is taken over from the SDK's client."""

from __future__ import annotations

import pickle
import ssl

import pytest
from aistore.sdk import Client

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import InvalidArgumentError
from aistorch.fetch.address import Address
from aistorch.fetch.node import Node
from aistorch.fetch.settings import ClusterSettings


@pytest.mark.parametrize(
    ("url", "address", "host_header"),
    [
        ("http://node:8080", Address("node", 8080), "node:8080"),
        ("http://node:8080/v1/objects/b/o?x=y", Address("node", 8080), "node:8080"),
        ("http://node", Address("node", 80), "node:80"),
        ("https://node", Address("node", 443, tls=True), "node:443"),
        ("https://10.0.0.1:51080/", Address("10.0.0.1", 51080, tls=True), "10.0.0.1:51080"),
        ("http://[::1]:8080", Address("::1", 8080), "[::1]:8080"),
        ("http://user:secret@node:1", Address("node", 1), "node:1"),
    ],
)
def test_addresses(url: str, address: Address, host_header: str) -> None:
    assert Address.of_url(url) == address
    assert address.host_header == host_header
    assert Address.of_url(str(address)) == address


@pytest.mark.parametrize(
    "url", ["", "node:8080", "ftp://node", "http://", "/v1/objects", "http://node:port", "http://[::1"]
)
def test_no_addresses(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="http://host:port"):
        Address.of_url(url)


def settings_of(client: Client) -> ClusterSettings:
    return ClusterSettings.of_client(client.bucket("b").client)


def test_equal_clients_share_settings() -> None:
    first, second = (settings_of(Client("http://node:8080", token="t")) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != settings_of(Client("http://node:8080", token="u"))
    assert first != settings_of(Client("http://node:8081", token="t"))


@pytest.mark.filterwarnings("ignore:Skipping SSL certificate verification:UserWarning")
def test_what_a_client_says_is_taken_over() -> None:
    settings = settings_of(Client("https://node:8080/gateway/", token="secret", skip_verify=True, timeout=(1.5, 7)))
    assert settings.endpoint == Address("node", 8080, tls=True)
    assert settings.path == "/gateway/v1"
    assert (settings.connect_timeout, settings.read_timeout) == (1.5, 7)
    assert settings.ssl_context.verify_mode == ssl.CERT_NONE
    assert settings.token == "secret"


def test_one_timeout_stands_for_both() -> None:
    settings = settings_of(Client("http://node:8080", timeout=4))
    assert (settings.connect_timeout, settings.read_timeout) == (4, 4)


def test_certificates_are_verified_unless_told() -> None:
    context = settings_of(Client("https://node:8080")).ssl_context
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_settings_survive_pickling_and_hide_the_token() -> None:
    settings = settings_of(Client("http://node:8080", token="secret"))
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert "secret" not in repr(settings)


def test_a_token_goes_to_the_proxy_in_one_header() -> None:
    address = Address("node", 8080)
    assert b"\r\nAuthorization: Bearer secret\r\n" in Node(address, "secret").tail
    assert Node(address).tail == b"\r\nHost: node:8080\r\nUser-Agent: aistorch\r\nAccept: */*\r\n\r\n"


def test_delays_double_up_to_the_most() -> None:
    policy = RetryPolicy(backoff=0.5, backoff_max=3.0)
    assert [policy.delay(attempt) for attempt in range(1, 7)] == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert RetryPolicy(backoff=0.0).delay(3) == 0.0
    assert RetryPolicy(attempts=5000, backoff=1e-9).delay(4999) == 5.0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"attempts": 0}, "RetryPolicy.attempts"), ({"backoff": -1}, "RetryPolicy.backoff")]
    + [({name: -0.5}, f"RetryPolicy.{name}") for name in ("backoff_max", "connect_timeout", "read_timeout", "min_rate")]
    + [({"patience": value}, "RetryPolicy.patience") for value in (-1.0, float("nan"))],
)
def test_policies_that_make_no_sense(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        RetryPolicy(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [{"budget": 0}, {"in_flight": 0}, {"split_from": 0}])
def test_configs_that_make_no_sense(arguments: dict[str, int]) -> None:
    (name,) = arguments
    with pytest.raises(InvalidArgumentError, match=f"ReadConfig.{name} is 0"):
        ReadConfig(**arguments)  # type: ignore[arg-type]


def test_configs_can_be_pickled_and_compared() -> None:
    config = ReadConfig(budget=1 << 20, in_flight=3, retry=RetryPolicy(attempts=2))
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(pickle.loads(pickle.dumps(config))) == hash(config)
    assert config != ReadConfig()
