"""One judging: goes through all readings of an artifact and gathers what the checks say."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.finding import MOST_FINDINGS, Inspection, Location, Outcome
from weighlock.formats.compression import HEAD, InflatedSource, codec_of
from weighlock.formats.obstacle import Obstacle
from weighlock.formats.source import RandomAccess, TailSource
from weighlock.formats.torch_legacy import TAR
from weighlock.inspector import readings
from weighlock.inspector.members import is_storage, kinds_of_zip, loader_of
from weighlock.inspector.nested import nested_source
from weighlock.inspector.pickles import read_pickles
from weighlock.inspector.torch_tar import describe_tar, is_read_by_torch, read_member, require_no_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.allowlist.trace import Nested, PickleTrace
    from weighlock.finding import Finding
    from weighlock.formats.archive import Archive
    from weighlock.formats.source import Budget, Source

# The modules of the formats are imported where bytes begin like theirs: most files need none of them.
_NPY_MAGIC = b"\x93NUMPY"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_SEVEN_ZIP_MAGIC = b"7z\xbc\xaf\x27\x1c"
_ZFILE_MAGIC = b"ZF"
_ZFILE_HEADER = 21
_ZIP_MAGIC = b"PK\x03\x04"
_END_OF_ZIP = b"PK\x05\x06"
_LONGEST_ZIP_TAIL = 22 + 0xFFFF
_LONGEST_UNPACKED = 64 << 20
_STEP = 1 << 16
_TAR_CHECKSUM = re.compile(rb"[\s\x1c-\x1f]*(?:[-+]?(?:0[oO])?_?[0-7]|\0)|[\x80\xff]|[\s\x1c-\x1f]{8}")


class Judging:
    """Gathers formats, imports and findings of one artifact.

    Args:
        budget: Shared by all readings.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._members: tuple[str, ...] = ()
        self._formats: list[str] = []
        self._imports: set[str] = set()
        self._needs: set[str] = set()
        self._foremost: set[str] | None = None
        self._findings: list[Finding] = []
        self._outcome = Outcome.NOT_A_MODEL

    def inspection(self) -> Inspection:
        """Return what was gathered."""
        return Inspection(
            format=self._formats[0] if self._formats else None,
            outcome=self._outcome,
            imports=tuple(sorted(self._imports)),
            needs=tuple(sorted(self._needs)),
            foremost=tuple(sorted(self._foremost or ())),
            findings=tuple(sorted(self._findings, key=lambda finding: -finding.outcome)),
        )

    def source(self, source: Source, loader: str = "pickle", name: str = "") -> None:
        """Judge bytes under every loader that would accept them.

        Args:
            source: The bytes.
            loader: Whose pickles they are where they are pickles.
            name: Of the file or the member, as far as it is known; it only ever adds a reading.
        """
        with self.obstacles("a nested file"), self.deeper():
            head = source.head(512)
            if not head:
                return
            begins_as = _begins_as(head) if self._foremost is None else None  # what lies within begins nothing
            self._foremost = self._foremost or set()
            self._other_readings(source, head, name, begins_as)
            as_pickle = begins_as == "pickle" and "safetensors" not in self._formats
            with self.obstacles("pickle"), self.foremost(as_pickle):
                self._pickles(source, loader)

    # Readings

    def _other_readings(self, source: Source, head: bytes, name: str, begins_as: str | None) -> None:
        """Judge every reading but that of a pickle."""
        codec = codec_of(head[:HEAD])
        if codec:
            with self.foremost(begins_as == "compressed"):
                self._compressed(source, codec)
        for reading in readings.of_bytes(head, name):
            kind = reading.__name__.rpartition(".")[2]
            with self.obstacles(kind), self.foremost(begins_as == kind):
                reading.read(self, source, head, name)
        if head.startswith(_ZFILE_MAGIC):
            self._zfile(source, head)
        if head.startswith(_SEVEN_ZIP_MAGIC):
            self._seven_zip(source)
        if head.startswith((_ZIP_MAGIC, _END_OF_ZIP)) or self._ends_like_zip(source):
            with self.foremost(begins_as == "zip"):
                self._zip(source)
        if _may_be_tar(head):
            self._tar(source)
        if isinstance(source, RandomAccess):
            for reading in readings.hdf5_behind(source, head, name):
                with self.obstacles("hdf5"):
                    reading.read(self, source, head, name)

    def _array(self, source: Source) -> None:
        """Judge bytes as arrays of numpy if they begin so."""
        head = source.head(len(_NPY_MAGIC))
        if head == _NPY_MAGIC:
            import_module("weighlock.inspector.readings.npy").read(self, source, head, "")

    def _pickles(self, source: Source, loader: str) -> None:
        row = read_pickles(source, self.budget, loader)
        for trace in row.traces:
            self.trace(trace, source)
        if row.end:
            # numpy.load reads arrays behind pickles, too.
            tail = TailSource(source, row.end)
            self._array(tail)

    def trace(self, trace: PickleTrace, source: Source) -> None:
        """Judge what a pickle would do, and the bytes in it that are loaded in turn."""
        self.note(trace.loader)
        self._imports.update(trace.imports)
        self._needs.update(trace.needs)
        self.check(trace)
        for nested in trace.nested:
            self._nested(nested, source)

    def _nested(self, nested: Nested, source: Source) -> None:
        with self.member(f"constant at {nested.offset}"), self.obstacles("a nested pickle"):
            inner = nested_source(nested, source)
            if nested.loaded:
                self.source(inner)
                return
            # Nobody unpickles it, as far as the file says: it counts only where it was made to do harm.
            apart = Judging(self.budget)
            apart._members = self._members
            with self.deeper():
                apart.source(inner)
            if apart._outcome is Outcome.REFUSED:
                self._merge(apart)
            elif self.budget.is_spent:
                raise OverBudgetError("over the budget for constants that look like pickles")

    def _merge(self, other: Judging) -> None:
        self._imports |= other._imports
        self._needs |= other._needs
        for finding in other._findings:
            self._add(finding)

    def _compressed(self, source: Source, codec: str) -> None:
        with self.obstacles(codec):
            try:
                inner = InflatedSource(source, codec, self.budget)
            except UnsupportedError as error:
                self.note(codec)
                raise OverBudgetError(error.message) from None
            before = len(self._formats)
            self.source(inner)
            self._formats[before:] = [f"{name}+{codec}" for name in self._formats[before:]]

    def _zfile(self, source: Source, head: bytes) -> None:
        # joblib before 0.9.4: the size in hexadecimal, since 0.8.4 without the space behind it; then zlib.
        start = _ZFILE_HEADER + (head[_ZFILE_HEADER : _ZFILE_HEADER + 1] == b" ")
        with self.obstacles("joblib"):
            self.source(InflatedSource(TailSource(source, start), "zlib", self.budget))

    def _ends_like_zip(self, source: Source) -> bool:
        if isinstance(source, RandomAccess):
            start = max(0, source.size - _LONGEST_ZIP_TAIL)
            return _END_OF_ZIP in source.read_at(start, _LONGEST_ZIP_TAIL)
        # Unpacked bytes: all of them lie in front of their end. Nobody unpacks more to look for a zip in the middle.
        stream, tail, read = source.open(), b"", 0
        with suppress(FormatError):
            while part := stream.read(_STEP):
                tail = (tail + part)[-_LONGEST_ZIP_TAIL:]
                read += len(part)
                if read > _LONGEST_UNPACKED:
                    return False
        return _END_OF_ZIP in tail

    # Archives

    def _zip(self, source: Source) -> None:
        from weighlock.formats import zip as zip_format

        with self.obstacles("zip"):
            if self._row(source):
                return
            try:
                archive = zip_format.parse(self.random_access(source), self.budget)
            except FormatError:
                return
            kinds = kinds_of_zip(archive)
            if source.head(4) != _ZIP_MAGIC:
                # Many files end with a zip that they hold, and its offsets do not fit the whole. Every reading of its
                # members is judged; that the file is something else as well is no anomaly.
                archive = replace(archive, anomalies=())
            self._archive(archive, *kinds, certain=kinds != ("zip",))

    def _row(self, source: Source) -> bool:
        """Judge a row of torch's archives one by one, and say whether it was one."""
        from weighlock.formats import zip as zip_format
        from weighlock.formats import zip_row

        try:
            parts = zip_row.parse(self.random_access(source), self.budget)
            archives = [zip_format.parse(part, self.budget) for part in parts]
        except FormatError:
            return False
        if any(kinds_of_zip(archive) != ("torch-zip",) for archive in archives):
            return False
        before = len(self._formats)
        for number, archive in enumerate(archives):
            with self.member(f"archive {number}"):
                self._archive(archive, "torch-zip", certain=True)
        self._formats[before:] = ["torch-zip-row"]
        return True

    def _tar(self, source: Source) -> None:
        from weighlock.formats import tar

        with self.obstacles("tar"):
            try:
                archive = tar.parse(self.random_access(source), self.budget)
            except FormatError:
                return
            kind = describe_tar(archive)
            self._archive(archive, kind, certain=False)
            if kind == TAR:
                require_no_links(archive)

    def _seven_zip(self, source: Source) -> None:
        from weighlock.formats import seven_zip

        with self.obstacles("7z"):
            try:
                archive = seven_zip.parse(self.random_access(source), self.budget)
            except FormatError:
                return
            self._archive(archive, "7z", certain=False)

    def _archive(self, archive: Archive, kind: str, *others: str, certain: bool) -> None:
        before, outcome = len(self._formats), self._outcome
        self._outcome = Outcome.NOT_A_MODEL
        for entry in archive.entries:
            with self.member(entry.name), self.obstacles("a member of an archive"):
                try:
                    content = entry.open(self.budget)
                    if is_storage(entry.name, kind, *others):
                        # Raw memory that no loader unpickles; but numpy.load looks at every member.
                        self._array(content)
                        continue
                    loader = TAR if kind == TAR and is_read_by_torch(entry.name) else loader_of(kind)
                    self.source(content, loader, entry.name)
                    if kind == TAR:
                        for trace in read_member(entry.name, content, self.budget):
                            self.trace(trace, content)
                except FormatError as error:
                    raise OverBudgetError(error.message) from None
        # An archive without anything that a loader would take is none of our business, odd or not.
        if certain or self._outcome is not Outcome.NOT_A_MODEL:
            self._formats[before:] = [kind]
            self._note_outcome(Outcome.DATA_ONLY)
            self.check(archive)
        for reading in readings.of_archive(kind, *others):
            with self.obstacles(kind):
                reading.read_archive(self, archive)
        self._outcome = max(self._outcome, outcome)

    def random_access(self, source: Source) -> RandomAccess:
        """Return the bytes so that they can be read at any offset, unpacked to a file if need be."""
        if isinstance(source, RandomAccess):
            return source
        spooled = self.budget.spool(source.open())
        if not isinstance(spooled, RandomAccess):
            raise OverBudgetError("over the budget for unpacking")
        return spooled

    # Gathering

    def note(self, name: str) -> None:
        """Note a format that the bytes have; the first one names the file."""
        self._formats.append(name)
        self._note_outcome(Outcome.DATA_ONLY)

    def need(self, *names: str) -> None:
        """Note what the file can do beyond holding data, as exact names that a person may approve.

        Args:
            names: ``module.name`` of what is imported, ``<loader>:<capability>`` for all else.
        """
        self._imports.update(names)
        self._needs.update(names)

    def _note_outcome(self, outcome: Outcome) -> None:
        self._outcome = max(self._outcome, outcome)

    def check(self, structure: object) -> None:
        """Run the checks on a structure."""
        for finding in checks.run(structure):
            place = Location(members=self._members, offset=finding.location.offset)
            self._add(replace(finding, location=place))

    def _add(self, finding: Finding) -> None:
        self._note_outcome(finding.outcome)
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)

    @contextmanager
    def foremost(self, is_so: bool) -> Iterator[None]:  # noqa: FBT001 - its only argument
        """Say that what follows reads the artifact as what it begins as."""
        before, self._needs = self._needs, set()
        try:
            yield
        finally:
            if is_so and self._foremost is not None:
                self._foremost |= self._needs
            self._needs |= before

    @contextmanager
    def member(self, name: str) -> Iterator[None]:
        """Say in findings that what follows lies in a member of an archive."""
        self._members = (*self._members, name)
        try:
            yield
        finally:
            self._members = self._members[:-1]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Go one level deeper, as far as the budget reaches."""
        self.budget.spend("depth", 1)
        try:
            yield
        finally:
            self.budget.depth += 1

    @contextmanager
    def obstacles(self, loader: str) -> Iterator[None]:
        """Turn what ends a reading early into a finding; the other readings go on."""
        try:
            yield
        except (OverBudgetError, UnsupportedError) as error:
            self.check(Obstacle(loader, error.message))
        except FormatError:
            # The loader would fail as well, before it gets anything out of the bytes.
            return

    @contextmanager
    def certain(self, loader: str) -> Iterator[None]:
        """Judge what is sure to be of one format: that it is broken is a finding, and no reason to pass on."""
        try:
            yield
        except FormatError as error:
            self.check(Obstacle(loader, error.message))


def _begins_as(head: bytes) -> str:
    """Return the reading that bytes have by their first ones, which whoever chooses the content cannot choose."""
    magics = {_NPY_MAGIC: "npy", _ZIP_MAGIC: "zip", _HDF5_MAGIC: "hdf5"}
    for magic, kind in magics.items():
        if head.startswith(magic):
            return kind
    return "compressed" if codec_of(head[:HEAD]) else "pickle"


def _may_be_tar(head: bytes) -> bool:
    """Tell whether a number stands where a tar header has its checksum, in any form that `int` takes."""
    return len(head) == 512 and _TAR_CHECKSUM.match(head, 148) is not None
