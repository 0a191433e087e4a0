"""Source URLs: every form that is documented, every prefix verbatim, every mistake named."""

from __future__ import annotations

import pickle

import pytest
from aistore.sdk import Client
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ArgumentTypeError, InvalidURLError
from aistorch.sources.url import PROVIDERS, SourceURL, parse_url

words = st.text("abcXYZ019_-", min_size=1, max_size=12)
buckets = st.text("abcXYZ019_-.", min_size=1, max_size=64)
odd_prefixes = ["a b", "100%25", "a?b=c", "a#b", "a+b", "é/日", "a//b", "/", "@x#y/"]
prefixes = st.text(max_size=40) | st.sampled_from(odd_prefixes)
providers = st.sampled_from(sorted(set(PROVIDERS.values())))


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("ais://bucket", SourceURL("ais", "bucket")),
        ("ais://bucket/", SourceURL("ais", "bucket")),
        ("ais://bucket/prefix", SourceURL("ais", "bucket", prefix="prefix")),
        ("ais://bucket/a/b/", SourceURL("ais", "bucket", prefix="a/b/")),
        ("aws://b/p", SourceURL("aws", "b", prefix="p")),
        ("s3://b/p", SourceURL("aws", "b", prefix="p")),
        ("gcp://b/p", SourceURL("gcp", "b", prefix="p")),
        ("gs://b/p", SourceURL("gcp", "b", prefix="p")),
        ("azure://b/p", SourceURL("azure", "b", prefix="p")),
        ("az://b/p", SourceURL("azure", "b", prefix="p")),
        ("oci://b/p", SourceURL("oci", "b", prefix="p")),
        ("oc://b/p", SourceURL("oci", "b", prefix="p")),
        ("ais://@uuid#ns/bucket/p", SourceURL("ais", "bucket", "uuid", "ns", "p")),
        ("ais://@uuid/bucket", SourceURL("ais", "bucket", "uuid")),
        ("ais://#ns/bucket", SourceURL("ais", "bucket", "", "ns")),
        ("ais://@#/bucket", SourceURL("ais", "bucket")),
    ],
)
def test_forms(url: str, parsed: SourceURL) -> None:
    assert parse_url(url) == parsed


@given(st.sampled_from(sorted(PROVIDERS)), buckets, prefixes)
def test_prefixes_are_taken_verbatim(provider: str, bucket: str, prefix: str) -> None:
    assert parse_url(f"{provider}://{bucket}/{prefix}") == SourceURL(PROVIDERS[provider], bucket, prefix=prefix)


@given(st.builds(SourceURL, providers, buckets, st.just("") | words, st.just("") | words, prefixes))
def test_a_url_and_its_text_are_the_same(url: SourceURL) -> None:
    assert parse_url(str(url)) == url
    assert pickle.loads(pickle.dumps(url)) == url


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_url(text)
    except InvalidURLError as error:
        assert repr(text) in str(error)  # noqa: PT017  the other outcome is as good
    else:
        assert text.endswith(parsed.prefix)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ais:/typo", "did you mean 'ais://typo'"),
        ("ais:bucket/x", "did you mean 'ais://bucket/x'"),
        ("bucket/prefix", "did you mean 'ais://bucket/prefix'"),
        ("", "did you mean 'ais://'"),
        ("http://host/bucket", "unknown provider 'http': use one of ais, aws, s3, azure, az, gcp, gs, oci, oc"),
        ("AIS://bucket", "unknown provider 'AIS'"),
        ("ais://", "names no bucket"),
        ("ais:///prefix", "names no bucket"),
        ("ais://@uuid#ns", "names no bucket"),
        ("ais://my bucket/x", "the bucket name 'my bucket'"),
        ("ais://b?x=1", r"the bucket name 'b\?x=1'"),
        ("ais://" + "b" * 65, "1 to 64"),
        ("ais://@a b#c/bucket", "the namespace '@a b#c'"),
        ("ais://#a#b/bucket", "the namespace '#a#b'"),
    ],
)
def test_mistakes_are_named_with_the_remedy(url: str, told: str) -> None:
    with pytest.raises(InvalidURLError, match=told) as raised:
        parse_url(url)
    assert repr(url) in str(raised.value)


def test_a_url_must_be_text() -> None:
    with pytest.raises(ArgumentTypeError, match=r"must be a str such as 'ais://bucket'.*not int"):
        parse_url(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_bucket_is_one_of_the_sdk(provider: str) -> None:
    bucket = parse_url(f"{provider}://b/p").bucket(Client("http://127.0.0.1:1"))
    assert (bucket.name, bucket.provider.value, bucket.namespace) == ("b", PROVIDERS[provider], None)


def test_the_bucket_of_a_namespace() -> None:
    bucket = parse_url("ais://@uuid#ns/b").bucket(Client("http://127.0.0.1:1"))
    assert bucket.qparam == {"provider": "ais", "namespace": "@uuid#ns"}
