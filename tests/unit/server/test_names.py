from __future__ import annotations

import pytest
from aistore.sdk.utils import get_digest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.server.http_errors import BadRequest, InvalidName
from aistorch.server.names import BucketKey, check_bucket_name, check_object_name, decode_path

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


@pytest.mark.parametrize("name", ["a", "b-1_c.d", "A" * 64, "0", "trailing.", "a.b.c"])
def test_bucket_names_that_aistore_takes(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a..b", "a/b", "a b", "ü", "a\0", "A" * 65, "../x"])
def test_other_bucket_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="invalid bucket name"):
        check_bucket_name(name)


@pytest.mark.parametrize(
    "name", ["a", "a/b", "a.b", "..a", "a/...", " % + # ?", "ü/日本", "\x01", "a" * 2000, "ü" * 2048, "~x", "-"]
)
def test_object_names_that_aistore_takes(name: str) -> None:
    assert check_object_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "//a",
        "a/",
        "a//",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a/..",
        "~/a",
        "a\0b",
        "a" * 4097,
        "ü" * 2049,
    ],
)
def test_other_object_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="invalid object name"):
        check_object_name(name)


def test_repeated_slashes_are_one_as_in_aistore() -> None:
    assert check_object_name("a//b///c") == "a/b/c"


def test_lone_surrogates_are_no_names() -> None:
    with pytest.raises(InvalidName, match="not Unicode"):
        check_object_name("a\ud800")


def test_an_error_shows_only_the_beginning_of_a_long_name() -> None:
    with pytest.raises(InvalidName) as caught:
        check_object_name("x" * 10_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("alias", "provider"), [("", "ais"), ("s3", "aws"), ("gs", "gcp"), ("az", "azure"), ("oc", "oci"), ("aws", "aws")]
)
def test_provider_aliases_mean_the_same_bucket(alias: str, provider: str) -> None:
    assert BucketKey.make("b", alias) == BucketKey(provider, "b")


@pytest.mark.parametrize("provider", ["ht", "hdfs", "AIS", "nope"])
def test_unknown_providers_are_refused(provider: str) -> None:
    with pytest.raises(BadRequest, match="invalid backend provider") as caught:
        BucketKey.make("b", provider)
    assert caught.value.tcode == "ErrInvalidBackendProvider"


@pytest.mark.parametrize("spelled", ["", "@", "@#", "#"])
def test_spellings_of_the_global_namespace(spelled: str) -> None:
    assert BucketKey.make("b", namespace=spelled).uname("o") == "ais/@#/b/o"


def test_names_in_messages_are_those_the_sdk_looks_for() -> None:
    assert BucketKey.make("b").cname() == "ais://b"
    assert BucketKey.make("b", "aws").cname("x/y") == "s3://b/x/y"
    assert BucketKey.make("b", namespace="#ns").cname() == "ais://#ns/b"
    assert BucketKey.make("b", namespace="@id#ns").cname("o") == "ais://@id#ns/b/o"


@pytest.mark.parametrize("uri", ["b", "ais:/b", "ais://", "ais://b/o", "ais://../x", "nope://b", "ais://#../b"])
def test_bad_bucket_uris_are_refused(uri: str) -> None:
    with pytest.raises(BadRequest):
        BucketKey.from_uri(uri)


@given(st.sampled_from(["ais", "aws", "gcp", "azure", "oci"]), NAMES, NAMES | st.just(""), NAMES | st.just(""))
def test_every_spelling_of_a_bucket_is_read_back(provider: str, name: str, uuid: str, namespace: str) -> None:
    key = BucketKey(provider, name, uuid, namespace)
    assert BucketKey.from_uname(key.uname("a/b")) == (key, "a/b")
    assert BucketKey.from_json(key.to_json()) == key
    assert BucketKey.from_uri(key.cname()) == key
    assert BucketKey.make(name, provider, key.ns_uname) == key


def test_unames_place_objects_where_aistore_does() -> None:
    assert get_digest(BucketKey.make("bk1").uname("dir/o-1.txt")) == 8557887930832996092
    assert get_digest(BucketKey.make("nsb", namespace="#ns1").uname("a")) == 1950834081450138821
    assert get_digest(BucketKey.make("b", "s3").uname("ü.jpg")) == 15255225025903208674


def test_paths_are_decoded_once_and_only_as_utf_8() -> None:
    assert decode_path("a%2Fb%20%25%2B+") == "a/b %++"
    assert decode_path("ü") == "ü"
    assert decode_path("\udcc3\udcbc%C3%BC") == "üü"  # raw bytes, as aiohttp hands them on
    with pytest.raises(BadRequest, match="not percent-encoded UTF-8"):
        decode_path("%FF")
