"""Files of models that should not be loaded, as entries among the vulnerabilities of a document.

Files have no advisories. What the inspection saw in them stands where a reader of the document looks first: code
that runs when a file is loaded is CWE-502, and what could not be judged is in triage, never absent.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from weighlock.advisory import Severity
from weighlock.bom.names import below
from weighlock.bom.values import Analysis, Vulnerability
from weighlock.finding import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.bom.values import Component
    from weighlock.lockfile import LockedFile, LockedModel

_DESERIALISATION = 502
_SOURCE = "weighlock"


def of_files(
    component: Component, model: LockedModel, unreadable: tuple[tuple[str, str], ...] = ()
) -> Iterator[Vulnerability]:
    """Yield an entry for each file that runs code, might, or could not be judged.

    Args:
        component: Of the model.
        model: With the outcomes of its files.
        unreadable: Paths of files that could not be read, and why.
    """
    for path, why in unreadable:
        yield _unread(below(component.ref, path), path, why)
    for file in model.files:
        found = _entry(component, file)
        if found is not None:
            yield found


def _entry(component: Component, file: LockedFile) -> Vulnerability | None:
    missing = tuple(name for name in file.needs if name not in file.approved)
    if file.outcome == "refused":
        what, severity = f"loading it can run {listing(file.needs) or 'code'}", Severity.CRITICAL
    elif file.outcome == "unverifiable":
        what, severity = "what loading it does could not be found out", Severity.UNKNOWN
    elif file.outcome == "needs-approval" and (missing or not file.needs):
        what, severity = f"loading it imports {listing(missing) or 'names'}, which nobody approved", Severity.UNKNOWN
    else:
        return None
    ref = below(component.ref, file.path)
    return Vulnerability(
        ref=f"vulnerability-of:{ref}",
        id=f"weighlock:{file.outcome}:{file.sha256[:16]}",
        source=_SOURCE,
        component=ref,
        analysis=_analysis(file),
        severity=severity,
        cwes=(_DESERIALISATION,),
        description=f"{file.path}: {what}",
        recommendation="use safetensors weights: weighlock convert",
    )


def _unread(ref: str, path: str, why: str) -> Vulnerability:
    return Vulnerability(
        ref=f"vulnerability-of:{ref}",
        id=f"weighlock:unreadable:{sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        source=_SOURCE,
        component=ref,
        analysis=Analysis(state="in_triage"),
        description=f"{path}: it could not be read, so what it does is not known: {why}",
    )


def _analysis(file: LockedFile) -> Analysis:
    if file.unsafe:
        detail = f"accepted whatever it does: {file.reason or 'without a reason'}"
        return Analysis(state="exploitable", responses=("will_not_fix",), detail=detail)
    return Analysis(state="exploitable" if file.outcome == "refused" else "in_triage")
