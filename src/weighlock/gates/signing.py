"""The gate of ``weighlock sign``: what is signed is what was read.

1. collect: the file is read once, or the model is listed;
2. identify: its digest, and every digest that it names; the files of a model are hashed;
3. sign the statement about them;
4. write the bundle beside it, and record that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, SourceError, UnsupportedError, UsageError, WeighlockError
from weighlock.files import read_regular, write_atomically
from weighlock.signing.bundle import LARGEST as LARGEST_BUNDLE
from weighlock.signing.bundle import Bundle, KeyMaterial, digest_of, read_bundle
from weighlock.signing.certificate import names_in
from weighlock.signing.documents import LARGEST, Document, model_document, read_document
from weighlock.signing.oms_bundle import file_name, sign_model
from weighlock.sources.directory import identify
from weighlock.sources.whole_folder import list_everything
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from weighlock.artifact import Digest
    from weighlock.gates.deciding import Decider
    from weighlock.lockfile import Lockfile
    from weighlock.signing.bundle import Material
    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey
    from weighlock.sources.whole_folder import Name

SUFFIX = ".sigstore.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed.

    Args:
        document: What it was.
        bundle: Where the bundle lies.
        digest: Of the bundle.
        who: Who signed it.
    """

    document: Document
    bundle: Path
    digest: Digest
    who: str


def sign_document(
    place: Path,
    signer: Signer,
    *,
    name: str | None = None,
    output: Path | None = None,
    decider: Decider | None = None,
    label: str | None = None,
) -> Signed:
    """Sign a lockfile, a bill of materials, a report, or a model.

    Args:
        place: Of the file, or of the folder of a model.
        signer: Who signs.
        name: Of the model; by default that of its file or folder.
        output: Where the bundle is written; by default beside what is signed.
        decider: Records it.
        label: Of the signer, for a bundle beside those of others.

    Raises:
        UsageError: A bundle of somebody else is in the place.
        WeighlockError: It cannot be read, signed or written.
    """
    document = document_at(place, name=name)
    bundle = signer.sign(document.statement.to_bytes())
    target = output or default_place(place, label)
    if output is None:
        _require_own(target, bundle)
    data = bundle.to_bytes()
    write_atomically(target, data)
    digest = digest_of(data)
    if decider is not None:
        decider.record_document(str(target), str(digest), "signed")
    return Signed(document=document, bundle=target, digest=digest, who=signer.who)


def sign_locked_model(
    name: str,
    locked: Lockfile,
    signer: Signer,
    public: PublicKey | None,
    *,
    folder: Path,
    output: Path | None = None,
    decider: Decider | None = None,
) -> Signed:
    """Sign a locked model in the format of OpenSSF Model Signing; none of its files is read.

    Args:
        name: Of the model in the lockfile.
        locked: The lockfile.
        signer: Who signs.
        public: Their key, where they sign with a bare one.
        folder: Of the lockfile, where the bundle is put by default.
        output: Where the bundle is written instead.
        decider: Records it.

    Raises:
        UsageError: There is no such model.
        WeighlockError: It cannot be signed or written.
    """
    model = locked.by_name(name)
    if model is None:
        raise UsageError("is not in the lockfile", where=name[:200], hint="lock it first: `weighlock lock MODEL`")
    data = sign_model(model, signer, public).to_bytes()
    target = output or folder / file_name(name)
    write_atomically(target, data)
    digest = digest_of(data)
    if decider is not None:
        decider.record_document(str(target), str(digest), "signed")
    document = model_document(name, ((file.path, file.sha256) for file in model.files))
    return Signed(document=document, bundle=target, digest=digest, who=signer.who)


def document_at(place: Path, *, name: str | None = None) -> Document:
    """Return what is at a place, reduced to digests; only the files of a model are hashed.

    Args:
        place: A file, or the folder of a model.
        name: Of a model; by default that of the file or folder.

    Raises:
        WeighlockError: It cannot be read, or is broken.
    """
    called = name or _absolute(place).name
    if not place.is_dir():
        data = _whole(place)
        document = read_document(data, called) if data is not None else None
        if document is not None:
            return document
        return model_document(called, [(_absolute(place).name, identify(place).sha256)])
    return model_document(called, [_identified(one) for one in list_everything(place)])


def default_place(place: Path, label: str | None = None) -> Path:
    """Return where the bundle of a file or folder lies: beside it, with the label of the signer if there is one."""
    place = _absolute(place)
    return place.with_name(f"{place.name}.{label}{SUFFIX}" if label else f"{place.name}{SUFFIX}")


def _identified(name: Name) -> tuple[str, str]:
    if name.problem is not None or not is_printable(name.path):
        problem = name.problem or "has a name that cannot be printed, or that is no Unicode"
        raise SourceError(problem, where=str(name.place), hint="remove it, or sign its target")
    return name.path, identify(name.place).sha256


def _absolute(place: Path) -> Path:
    return Path(os.path.abspath(place))


def _whole(place: Path) -> bytes | None:
    """Return the bytes of a file that may be a document; a larger one is a model."""
    try:
        if place.stat().st_size > LARGEST:
            return None
        if b"\0" in read_regular(place, 4096):  # most models are told by their first bytes, and no document has these
            return None
        return read_regular(place, LARGEST)
    except OSError as error:
        hint = "name a file that you may read"
        raise WeighlockError(f"cannot be read: {error.strerror}", where=str(place), hint=hint) from error


def _require_own(target: Path, bundle: Bundle) -> None:
    """Leave the bundle of another signer alone; one of the same key is replaced."""
    if not target.exists():
        return
    try:
        there = read_bundle(read_regular(target, LARGEST_BUNDLE + 1)).material
    except (OSError, ForgedError, UnsupportedError):
        there = None
    if there is None or not _is_same_signer(there, bundle.material):
        raise UsageError(
            "is the signature of another signer, and would be lost",
            where=str(target),
            hint="put yours beside it with --as NAME, or name a place with --output FILE",
        )


def _is_same_signer(there: Material, ours: Material) -> bool:
    """Tell whether a bundle may be replaced: by the same key, or by a newer certificate of the same identities."""
    if there == ours or isinstance(there, KeyMaterial) or isinstance(ours, KeyMaterial):
        return there == ours
    old, new = (names_in(material.certificates[0]) for material in (there, ours))
    return bool(new) and old == new
