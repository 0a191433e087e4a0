"""Tokens as they come from files and secrets: used where they can be, refused without a word of them where not."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator

import pytest
from aistore.sdk import Client

from aistorch import AISFileLoader, AISIterDataset, AISMapDataset, AISShardReader, ObjectIndex, ReadConfig, RetryPolicy
from aistorch.errors import AIStorchError, InvalidArgumentError
from aistorch.server import EmbeddedAIStore

SECRET = "eyJhbGciOi.SECRET.sig"
SOON = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01))


@pytest.fixture(scope="module")
def ais() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=2, token=SECRET) as running:
        bucket = running.client().bucket("guarded").create()
        bucket.object("1.txt").get_writer().put_content(b"one")
        yield running


@pytest.fixture(scope="module")
def index(ais: EmbeddedAIStore) -> ObjectIndex:
    return AISMapDataset(ais.client().bucket("guarded")).index


def reads(client: Client, index: ObjectIndex) -> dict[str, Callable[[], object]]:
    """Each way in which a token is used first."""
    bucket = client.bucket("guarded")
    return {
        "listing": lambda: list(AISIterDataset(bucket, config=SOON)),
        "index": lambda: [AISMapDataset(bucket, index=index, config=SOON)[0]],
        "names": lambda: [AISMapDataset(bucket.objects(obj_names=["1.txt"]), config=SOON)[0]],
    }


@pytest.mark.parametrize("way", ["listing", "index", "names"])
@pytest.mark.parametrize("token", [SECRET + "\n", SECRET + "\r\n", f"  {SECRET}\t"])
def test_white_space_around_a_token_is_cut_off(ais: EmbeddedAIStore, index: ObjectIndex, way: str, token: str) -> None:
    assert reads(Client(ais.endpoint, token=token), index)[way]() == [("1.txt", b"one")]


@pytest.mark.parametrize("way", ["listing", "index", "names"])
@pytest.mark.parametrize(
    "token", [SECRET + "\u2019", f"{SECRET}\n{SECRET}", SECRET + "\x00", SECRET + "\x7f", SECRET + "é"]
)
def test_what_no_header_may_have_is_refused_at_once_and_not_shown(
    ais: EmbeddedAIStore, index: ObjectIndex, way: str, token: str
) -> None:
    with pytest.raises(InvalidArgumentError, match="the AuthN token") as raised:
        reads(Client(ais.endpoint, token=token), index)[way]()
    assert_hidden(raised.value)


@pytest.mark.filterwarnings("ignore::aistorch.errors.EmptyListingWarning")
@pytest.mark.parametrize("token", [SECRET + "\n", SECRET + "\u2019"])
def test_a_token_of_the_environment_is_no_other(
    ais: EmbeddedAIStore, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIS_AUTHN_TOKEN", token)
    ways: list[Callable[[], object]] = [
        lambda: [each.read() for _, each in AISFileLoader(["ais://guarded/1.txt"], url=ais.endpoint)],
        lambda: [body for _, body in AISIterDataset(client_url=ais.endpoint, urls_list="ais://guarded")],
        lambda: [b"one", *AISShardReader(client_url=ais.endpoint, urls_list="ais://guarded/none")],
    ]
    for read in ways:
        if token.isascii():
            assert read() == [b"one"]
        else:
            with pytest.raises(InvalidArgumentError) as raised:
                read()
            assert_hidden(raised.value)


def test_a_wrong_token_is_not_shown(ais: EmbeddedAIStore, index: ObjectIndex) -> None:
    for read in reads(Client(ais.endpoint, token=SECRET[::-1]), index).values():
        with pytest.raises(AIStorchError) as raised:
            read()
        assert_hidden(raised.value, SECRET[::-1])


def assert_hidden(error: Exception, token: str = SECRET) -> None:
    shown = "".join(traceback.format_exception(error)) + str(error) + repr(error) + repr(pickle.dumps(error))
    assert token not in shown
