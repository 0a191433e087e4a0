"""Errors: each can cross a process boundary, is what users of the SDK and of Python expect, and hides no cause."""

from __future__ import annotations

import inspect
import pickle
import tarfile

import pytest
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound
from torch._utils import ExceptionWrapper

from aistorch import errors
from aistorch.errors import (
    AccessDeniedError,
    AIStorchError,
    AIStorchWarning,
    ArgumentTypeError,
    BrokenLinkError,
    BucketNotFoundError,
    ChecksumError,
    DamagedShardError,
    DataPipesUnavailableError,
    DuplicateMemberError,
    EmptyListingWarning,
    EndpointUnreachableError,
    ForkedIteratorError,
    IndexFileError,
    InvalidArgumentError,
    InvalidURLError,
    MissingExtraError,
    NewExtensionWarning,
    NoEndpointError,
    NoSourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectReplacedError,
    OversizedSampleWarning,
    RanksDisagreeError,
    RanksDisagreeWarning,
    ReadError,
    ReplayMismatchWarning,
    SampleIndexError,
    ScatteredSampleError,
    ServerError,
    ShardError,
    ShardIndexError,
    ShardLimitError,
    SlowReadWarning,
    StaleShardIndexWarning,
    StateMismatchError,
    TrailingDataWarning,
    TransformError,
    TruncatedReadError,
    TruncatedShardError,
    UnclosedWriterWarning,
    UnequalLengthsError,
    UnequalLengthsWarning,
    UnknownRankWarning,
    UnpairedFilesError,
    WriteError,
)

PLAIN = [
    AIStorchError,
    ArgumentTypeError,
    DataPipesUnavailableError,
    EndpointUnreachableError,
    ForkedIteratorError,
    InvalidArgumentError,
    InvalidURLError,
    NoEndpointError,
    NoSourceError,
    ObjectExistsError,
    SampleIndexError,
    StateMismatchError,
    AIStorchWarning,
    EmptyListingWarning,
    OversizedSampleWarning,
    SlowReadWarning,
    UnequalLengthsError,
    StaleShardIndexWarning,
    UnequalLengthsWarning,
    NewExtensionWarning,
    RanksDisagreeWarning,
    ReplayMismatchWarning,
    UnknownRankWarning,
    RanksDisagreeError,
    UnpairedFilesError,
    TrailingDataWarning,
    UnclosedWriterWarning,
]
REFUSALS = [ServerError, BucketNotFoundError, AccessDeniedError]
READS = [ReadError, ObjectNotFoundError, ObjectReplacedError, ChecksumError, TruncatedReadError, TransformError]
SHARDS = [
    ShardError,
    BrokenLinkError,
    ShardLimitError,
    DamagedShardError,
    TruncatedShardError,
    ScatteredSampleError,
    DuplicateMemberError,
]
EXAMPLES: list[Exception] = [
    *(kind("what happened, and the remedy") for kind in PLAIN),
    *(kind("what happened, and the remedy", 418, "http://node:1/v1/buckets/b") for kind in REFUSALS),
    *(kind("ais://b/o", 3, ["first", "second"], 503, "Do this") for kind in READS),
    *(kind("ais://b/s.tar", "a/001.jpg", 512, "what was found") for kind in SHARDS),
    MissingExtraError("server", "the embedded AIStore"),
    ShardIndexError("ais://b/s.tar.idx", "is damaged: write it anew"),
    IndexFileError("train.index", "it is no saved index. Use another"),
    WriteError("ais://b/o", "the disk is full", 507, "Make room"),
]


def _id(error: Exception) -> str:
    return type(error).__name__


def test_every_class_has_an_example() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert defined == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", EXAMPLES, ids=_id)
def test_pickling_keeps_everything(error: Exception, protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=_id)
def test_a_dataloader_worker_hands_over_the_same_class_and_text(error: Exception) -> None:
    try:
        raise error
    except type(error):
        wrapped = pickle.loads(pickle.dumps(ExceptionWrapper(where="in worker process 0")))  # type: ignore[no-untyped-call]
    if isinstance(error, MissingExtraError):
        return  # its two arguments are no message: PyTorch makes a RuntimeError of such
    with pytest.raises(type(error)) as raised:
        wrapped.reraise()
    assert str(error) in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ArgumentTypeError, TypeError),
        (InvalidArgumentError, ValueError),
        (NoSourceError, ValueError),
        (NoEndpointError, ValueError),
        (InvalidURLError, ValueError),
        (SampleIndexError, IndexError),
        (ObjectExistsError, FileExistsError),
        (StateMismatchError, ValueError),
        (RanksDisagreeError, RuntimeError),
        (EndpointUnreachableError, ConnectionError),
        (MissingExtraError, ImportError),
        (ServerError, AISError),
        (BucketNotFoundError, ErrBckNotFound),
        (AccessDeniedError, PermissionError),
        (ReadError, AISError),
        (ObjectNotFoundError, ErrObjNotFound),
        (ChecksumError, ReadError),
        (TruncatedReadError, ReadError),
        (WriteError, AISError),
        (TransformError, ReadError),
        (ShardError, tarfile.TarError),
        (DamagedShardError, ShardError),
        (TruncatedShardError, ShardError),
        (ScatteredSampleError, ShardError),
        (DuplicateMemberError, ShardError),
        (EmptyListingWarning, UserWarning),
    ],
)
def test_code_that_catches_the_expected_class_goes_on_to_work(kind: type[Exception], expected: type) -> None:
    assert issubclass(kind, expected)
    assert issubclass(kind, AIStorchError | AIStorchWarning)


def test_a_read_error_tells_object_attempts_causes_and_remedy() -> None:
    error = ReadError("ais://b/o", 3, ["first", "second"], 503, "Do this")
    assert str(error) == "ais://b/o could not be read after 3 attempts: first; second. Do this"
    assert (error.name, error.attempts, error.causes, error.status_code) == ("ais://b/o", 3, ("first", "second"), 503)
    assert str(ObjectNotFoundError("ais://b/o")) == "ais://b/o does not exist"
    assert str(ChecksumError("ais://b/o", 1, ["bad"])) == "ais://b/o arrived damaged: bad"


def test_a_refusal_has_what_users_of_the_sdk_look_at() -> None:
    error = BucketNotFoundError("no such bucket", 404, "http://node:1/v1/buckets/b")
    assert (error.status_code, error.message, error.req_url) == (404, "no such bucket", "http://node:1/v1/buckets/b")
    assert str(error) == "no such bucket"


def test_an_error_of_a_shard_tells_shard_member_place_and_problem() -> None:
    error = DamagedShardError("ais://b/s.tar", "a/001.jpg", 512, "no size")
    assert str(error) == "ais://b/s.tar is damaged in member 'a/001.jpg' at byte 512: no size"
    assert (error.shard, error.member, error.offset, error.problem) == ("ais://b/s.tar", "a/001.jpg", 512, "no size")
    assert str(TruncatedShardError("ais://b/s.tar", offset=0, problem="it is empty")) == (
        "ais://b/s.tar ends too early at byte 0: it is empty"
    )
    assert str(DuplicateMemberError("ais://b/s.tar")) == "ais://b/s.tar has two files of the same name"
