"""Everything aistorch raises or warns of, one class per situation.

Each class derives from `AIStorchError` and from the exception that a caller would otherwise expect: the
built-in one (`ValueError`, `TypeError`, `IndexError`, `ConnectionError`) or the one the AIStore SDK raises
in the same situation, so `except ErrObjNotFound` written for the SDK goes on to work. All of them can be
pickled (those of the SDK cannot, see `aistore.sdk.errors`), and an error raised in a DataLoader's worker reaches
the training loop as it was: class, text and attributes, with the worker's traceback as its `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from tarfile import TarError
from typing import Any

from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

from aistorch.worker_errors import ErrorClass


class AIStorchError(Exception, metaclass=ErrorClass):
    """Base class of every error that aistorch raises."""


class AIStorchWarning(UserWarning):
    """Base class of every warning that aistorch issues."""


class EmptyListingWarning(AIStorchWarning):
    """A bucket or prefix holds no objects, which is more often a typing error than an intention."""


class StaleShardIndexWarning(AIStorchWarning):
    """What is known of a shard no longer fits it, so it is read without.

    Its index is damaged, gone, of an earlier version or wrong; or the shard was overwritten since it was listed.
    """


class UnequalLengthsWarning(AIStorchWarning):
    """Sources that are read side by side do not have as many samples each; the longer ones are not read to the end."""


class NewExtensionWarning(AIStorchWarning):
    """A shard has files with an extension that the samples of the shards before it lack."""


class RanksDisagreeWarning(AIStorchWarning):
    """Ranks that share samples are in different epochs."""


class ReplayMismatchWarning(AIStorchWarning):
    """What was read again to go on with a loader is not what had been read before."""


class UnknownRankWarning(AIStorchWarning):
    """This process seems to be one of several, and nothing tells which: each reads all samples."""


class OversizedSampleWarning(AIStorchWarning):
    """Samples are left out since they are larger than a batch may be."""


class SlowReadWarning(AIStorchWarning):
    """A read has been waited for longer than usual; the text says for which object, how long, and why."""


class MissingExtraError(AIStorchError, ImportError):
    """A feature needs packages that were not installed."""

    def __init__(self, extra: str, feature: str) -> None:
        self.extra, self.feature = extra, feature
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'aistorch[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.extra, self.feature)


class DataPipesUnavailableError(AIStorchError, ImportError):
    """This torch has no DataPipes any more."""


class InvalidArgumentError(AIStorchError, ValueError):
    """An argument has a value that cannot be used."""


class ArgumentTypeError(AIStorchError, TypeError):
    """An argument is of a type that cannot be used."""


class InvalidURLError(InvalidArgumentError):
    """A source URL cannot be understood."""


class NoSourceError(InvalidArgumentError):
    """A dataset was given neither sources nor URLs."""


class NoEndpointError(InvalidArgumentError):
    """No endpoint is known: neither `client_url` nor `AIS_ENDPOINT` is set."""


class StateMismatchError(InvalidArgumentError):
    """A saved state does not fit the dataset or loader that it is loaded onto."""


class RanksDisagreeError(AIStorchError, RuntimeError):
    """The ranks of a training run have begun to read different epochs, orders or listings of the same dataset."""


class UnequalLengthsError(InvalidArgumentError):
    """Sources that are read side by side do not have as many samples each."""


class SampleIndexError(AIStorchError, IndexError):
    """An index lies outside a dataset."""


class EndpointUnreachableError(AIStorchError, ConnectionError):
    """Nothing answers at the endpoint."""


class ServerError(AIStorchError, AISError):
    """The server refused a request.

    Args:
        message: What happened, to what, and what to do about it.
        status_code: The HTTP status, 0 where there was none.
        url: The URL of the request, without credentials.
    """

    def __init__(self, message: str, status_code: int = 0, url: str = "") -> None:
        # AISError's own constructor wants the PreparedRequest, which holds the token and cannot be pickled.
        Exception.__init__(self, message)
        self.status_code, self.message, self.req_url = status_code, message, url
        self.req = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.status_code, self.req_url), {}

    def __str__(self) -> str:
        return self.message


class BucketNotFoundError(ServerError, ErrBckNotFound):
    """The bucket does not exist."""


class AccessDeniedError(ServerError, PermissionError):
    """The server wants a token, or another one (401, 403)."""


class ReadError(ServerError):
    """An object could not be read, however it was tried.

    Args:
        name: The object, as `provider://bucket/name`.
        attempts: How many requests were made.
        causes: What went wrong, one text per attempt, oldest first; the last few where there were many.
        status_code: The last HTTP status, 0 where there was none.
        hint: What the caller can do about it.
    """

    situation = "could not be read"

    def __init__(
        self, name: str, attempts: int = 0, causes: Sequence[str] = (), status_code: int = 0, hint: str = ""
    ) -> None:
        self.name, self.attempts, self.causes, self.hint = name, attempts, tuple(causes), hint
        tries = f" after {attempts} attempts" if attempts > 1 else ""
        reasons = ": " + "; ".join(self.causes) if self.causes else ""
        advice = f". {hint}" if hint else ""
        super().__init__(f"{name} {self.situation}{tries}{reasons}{advice}", status_code)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.attempts, self.causes, self.status_code, self.hint), {}


class ObjectNotFoundError(ReadError, ErrObjNotFound):
    """The object does not exist (any more): deleted after the listing, or on a node that the cluster lost."""

    situation = "does not exist"


class ChecksumError(ReadError):
    """The bytes that arrived are not the bytes that were stored."""

    situation = "arrived damaged"


class TruncatedReadError(ReadError):
    """Fewer bytes arrived than were announced."""

    situation = "arrived incomplete"


class TransformError(ReadError):
    """The ETL failed on the object."""

    situation = "could not be transformed"


class ShardError(AIStorchError, TarError):
    """A shard cannot be read.

    Args:
        shard: The shard, as `provider://bucket/name`.
        member: The file in it where that happened, "" where none is known.
        offset: The byte of the archive, before any compression, where that happened; None where none is known.
        problem: What was found there, and what to do about it.
    """

    situation = "cannot be read"

    def __init__(self, shard: str, member: str = "", offset: int | None = None, problem: str = "") -> None:
        self.shard, self.member, self.offset, self.problem = shard, member, offset, problem
        file = f" in member {member!r}" if member else ""
        place = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{shard} {self.situation}{file}{place}{problem and ': '}{problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.shard, self.member, self.offset, self.problem), {}


class DamagedShardError(ShardError):
    """A header, a checksum or compressed data of a shard is not what the format allows."""

    situation = "is damaged"


class TruncatedShardError(ShardError):
    """A shard ends in the middle of something."""

    situation = "ends too early"


class ScatteredSampleError(ShardError):
    """The files of a sample do not stand side by side, so that it would be taken for two."""

    situation = "has the files of a sample in several places"


class DuplicateMemberError(ShardError):
    """A sample has two files of the same name."""

    situation = "has two files of the same name"


class ShardIndexError(AIStorchError):
    """The index beside a shard cannot be used.

    Args:
        name: The index object, as `provider://bucket/name` where that is known.
        reason: What is wrong with it, and what to do about it.
    """

    def __init__(self, name: str, reason: str = "") -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} cannot be used{f': {reason}' if reason else ''}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.reason), {}


class IndexFileError(AIStorchError, ValueError):
    """A file does not hold an index that can be used.

    Args:
        path: The file.
        reason: What is wrong with it, and what to do about it.
    """

    def __init__(self, path: str, reason: str = "") -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be used{f': {reason}' if reason else ''}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


class ObjectExistsError(AIStorchError, FileExistsError):
    """An object is there already, and nobody said that it may be replaced."""


class WriteError(ServerError):
    """An object could not be written.

    Args:
        name: The object, as `provider://bucket/name`.
        cause: What went wrong.
        status_code: The HTTP status, 0 where there was none.
        hint: What the caller can do about it.
    """

    def __init__(self, name: str, cause: str = "", status_code: int = 0, hint: str = "") -> None:
        self.name, self.cause, self.hint = name, cause, hint
        reason, advice = f": {cause}" if cause else "", f". {hint}" if hint else ""
        super().__init__(f"{name} could not be written{reason}{advice}", status_code)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.cause, self.status_code, self.hint), {}


class ObjectReplacedError(ReadError):
    """The object was overwritten after it was listed, or while it was read: what is known of it no longer holds."""

    situation = "was replaced"


class BrokenLinkError(ShardError):
    """A link in a shard leads to a file that is not in it."""

    situation = "has a link that leads nowhere"

    @classmethod
    def of(cls, shard: str, member: str, target: str) -> BrokenLinkError:
        """That of a link of this name, which should lead to `target`."""
        problem = f"it leads to {target!r}, which is no file in this shard; pack it with tar --dereference"
        return cls(shard, member, None, problem)


class ShardLimitError(ShardError):
    """A file or a sample of a shard is larger than `ShardLimits` allow."""

    situation = "exceeds a limit"


class UnpairedFilesError(InvalidArgumentError):
    """Files of rows that are read side by side have names that do not belong together."""


class TrailingDataWarning(AIStorchWarning):
    """Behind the end of a shard there is something that is not read, such as a second archive."""


class UnclosedWriterWarning(AIStorchWarning):
    """A `ShardWriter` was never closed, so its last samples have not been stored."""


class ForkedIteratorError(AIStorchError, RuntimeError):
    """An iterator is used in another process than the one that made it: its connections are not shared over a fork."""
