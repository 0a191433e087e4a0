"""What jobs do with many objects: which ones are meant, copying, archiving."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from aistorch.server.archive import open_archive
from aistorch.server.archive_formats import ArchiveFormat
from aistorch.server.archive_write import Entry, stream_archive
from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BadRequest, HTTPError, ObjectMissing
from aistorch.server.jobs import Job
from aistorch.server.names import check_object_name
from aistorch.server.templates import Template

_COPY_BYTES = 1 << 20


class Selection:
    """The objects that a request about many of them means.

    Args:
        value: The action's value: `objnames`, a list, or `template`.

    Raises:
        BadRequest: It has neither, or the template is not valid.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        names, template = value.get("objnames"), value.get("template")
        if isinstance(names, list) and names:
            self._names: list[str] | None = [check_object_name(str(name)) for name in names]
        elif isinstance(template, str):
            self._names, self._template = None, Template(template)
        else:
            # AIStore takes this for the whole bucket, too easily a mistake where objects are deleted.
            raise BadRequest("no objects are selected: give 'objnames', or a 'template' ('*' for all)")

    def existing(self, bucket: Bucket, job: Job) -> Iterator[str]:
        """The names of the objects that exist.

        A name that was listed and does not exist is noted as an error of the job; a template may well name more
        than there is.
        """
        for name in self._selected(bucket):
            job.check()
            if name in bucket:
                yield name
            elif self._names is not None:
                job.fail(ObjectMissing(bucket.key, name))

    def _selected(self, bucket: Bucket) -> Iterator[str]:
        if self._names is not None:
            return iter(self._names)
        if self._template.prefix is not None:
            return bucket.names(self._template.prefix)
        return self._template.names()


@dataclass(frozen=True, slots=True)
class Renaming:
    """How copies are called.

    Attributes:
        prepend: Put before the name, as it is.
        extensions: Old extensions and what replaces them.
    """

    prepend: str = ""
    extensions: Mapping[str, str] | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Renaming:
        """As the action's value has it, in `prepend` and `ext`."""
        extensions = value.get("ext")
        return cls(str(value.get("prepend") or ""), extensions if isinstance(extensions, dict) else None)

    def __call__(self, name: str) -> str:
        """The copy's name."""
        for old, new in (self.extensions or {}).items():
            if name.endswith("." + old.removeprefix(".")):
                name = name.removesuffix(old.removeprefix(".")) + new.removeprefix(".")
                break
        return check_object_name(self.prepend + name)


def each(
    names: Iterator[str],
    bucket: Bucket,
    job: Job,
    do: Callable[[str], None],
    noted: tuple[type[HTTPError], ...] = (ObjectMissing,),
) -> None:
    """Does something to each object; what somebody deletes meanwhile is noted as an error, as are others if asked."""
    for name in names:
        job.check()
        try:
            size = bucket.get(name).size
            do(name)
        except noted as error:
            job.fail(error)
        else:
            job.count(size)


def copy_object(source: Bucket, name: str, target: Bucket, target_name: str, job: Job | None = None) -> None:
    """Copies an object, custom properties included.

    Args:
        source: Where it is.
        name: The object.
        target: Where the copy goes.
        target_name: The copy's name.
        job: Ends the copying when it is stopped.

    Raises:
        ObjectMissing: There is no such object.
        BucketMissing: The target was destroyed meanwhile.
        JobAborted: The job was stopped.
    """
    meta, file = source.open_data(name)
    with file, target.writer(target_name, meta.custom) as writer:
        while piece := file.read(_COPY_BYTES):
            if job is not None:
                job.check()
            writer.write(piece)
        writer.commit()


def put_object(target: Bucket, name: str, data: bytes) -> None:
    """Stores an object.

    Raises:
        BucketMissing: The target was destroyed meanwhile.
    """
    with target.writer(name) as writer:
        writer.write(data)
        writer.commit()


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """An archive to be made of objects.

    Attributes:
        source: Where the objects are.
        target: Where the archive goes.
        name: The archive.
        form: Its format.
        selection: Which objects.
        with_bucket: Members are named `<source>/<object>`.
        append: Keep what an archive of that name has already.
        lenient: Go on without objects that do not exist.
    """

    source: Bucket
    target: Bucket
    name: str
    form: ArchiveFormat
    selection: Selection
    with_bucket: bool
    append: bool
    lenient: bool

    def run(self, job: Job) -> None:
        """Writes the archive; nothing is seen of it before it is complete.

        Raises:
            ObjectMissing: An object does not exist, and the plan is not lenient.
            NotAnArchiveError: What is to be appended to is no archive.
            JobAborted: The job was stopped.
        """
        entries = chain(self._old_entries(), self._new_entries(job))
        with self.target.writer(self.name) as writer:
            for piece in stream_archive(self.form, entries):
                job.check()
                writer.write(piece)
            writer.commit()

    def _old_entries(self) -> Iterator[Entry]:
        if not self.append or self.name not in self.target:
            return
        _, file = self.target.open_data(self.name)
        with file, open_archive(file, self.target.key.cname(self.name)) as archive:
            for member in archive:
                yield Entry(member.name, member.size, archive.open(member))

    def _new_entries(self, job: Job) -> Iterator[Entry]:
        for name in self.selection.existing(self.source, job):
            if job.error and not self.lenient:
                break
            meta, file = self.source.open_data(name)
            job.count(meta.size)
            yield Entry(f"{self.source.key.name}/{name}" if self.with_bucket else name, meta.size, file)
        if job.error and not self.lenient:
            raise BadRequest(job.error)
