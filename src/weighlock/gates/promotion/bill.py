"""The bill of materials: about exactly the locked files, as it was written, and without a grave advisory.

A bill is believed against the model only. That an advisory does not apply is for the policy to say, with a day on
which that ends; a bill that says so of itself was written by whoever wants the promotion.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from weighlock.advisory import Severity
from weighlock.artifact import Digest
from weighlock.errors import AdvisoryError, ForgedError, SourceError
from weighlock.files import read_regular
from weighlock.formats.inventory import LARGEST
from weighlock.gates.advisory_database import open_database
from weighlock.gates.audited_bom import BOM as FILE
from weighlock.gates.chain import Documents, NotRecordedError, require_described
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, Requirement
from weighlock.install_policy import canonical_name
from weighlock.promotion import Input
from weighlock.promotion_policy import BOM
from weighlock.sources.interface import Silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from weighlock.formats.inventory import Inventory
    from weighlock.gates.project import Project
    from weighlock.gates.promotion.case import Case
    from weighlock.policy import Policy
    from weighlock.promotion_policy import Stage


def place_of(case: Case) -> Path:
    """Return where the bill of materials is looked for."""
    return case.request.bom or case.project.folder / FILE


def described(case: Case) -> Requirement:
    """Return whether the bill of materials may be relied on, and nothing in it stops the promotion."""
    place = place_of(case)
    make = f"weighlock bom --output {FILE}"
    if not place.is_file():
        text = "there is no bill of materials"
        return Requirement(kind=BOM, status=MISSING, text=text, where=str(place), hint=make)
    data = read_regular(place, LARGEST + 1)
    inventory = require_described(data, place.name, case.lockfile)
    _require_recorded(case, place)
    policy, now = case.project.policy, case.request.now
    require_no_denied_package(inventory, case.project, case.request.environ)
    found = next(grave(inventory, policy, case.stage, case.request.environ, now), None)
    if found is not None:
        status = MISSING if found.startswith(_UNKNOWN) else FAILS
        return Requirement(kind=BOM, status=status, text=found, where=str(place), hint=_hint(status))
    digest = Digest.sha256(hashlib.sha256(data).hexdigest())
    text = f"it lists exactly the locked files, and no advisory of {case.stage.fail_on} or above"
    inputs = (Input(kind="bom", name=place.name, digest=digest),)
    return Requirement(kind=BOM, status=OK, text=text, where=str(place), inputs=inputs, kept=data)


_UNKNOWN = "advisories about its packages are not known"


def _hint(status: str) -> str:
    if status == MISSING:
        return "weighlock advisories update"
    return "upgrade it; or [[tool.weighlock.install.ignore-advisories]] with its id, a reason and expires"


def grave(
    inventory: Inventory, policy: Policy, stage: Stage, environ: Mapping[str, str], now: datetime
) -> Iterator[str]:
    """Yield each advisory that stops a promotion, by what the bill says and by what is known today.

    Args:
        inventory: What the bill lists.
        policy: Says which advisories are ignored, and until when.
        stage: Says how grave is too grave.
        environ: Says where the database lies; nobody is asked over the network.
        now: The time.
    """
    names = {one.ref: canonical_name(one.name) for one in inventory.components}
    for one in inventory.assertions:
        severity = next((known for known in Severity if str(known) == one.severity.strip().lower()), Severity.UNKNOWN)
        about = {names.get(ref.rpartition("#")[2], "") for ref in one.refs} or {""}
        stops = severity.reaches(stage.fail_on)
        if stops and not all(_ignored({one.id, *one.aliases}, name, policy, now) for name in about):
            yield f"{one.id} ({severity}) stands in it, and {stage.name} takes nothing of {stage.fail_on} or above"
    yield from _known_today(inventory, policy, stage, environ, now)


def require_no_denied_package(inventory: Inventory, project: Project, environ: Mapping[str, str]) -> None:
    """Demand that no package that a bill lists is in quarantine.

    Raises:
        AdmissionError: One is, or nobody knows what is.
    """
    from weighlock.gates.quarantined import open_quarantine

    quarantine = open_quarantine(environ, project.policy, project.policy_path)
    try:
        quarantine.refuse(packages=[f"{name}=={version}" for name, version in _packages(inventory)])
    finally:
        quarantine.close()


def _packages(inventory: Inventory) -> list[tuple[str, str]]:
    return [
        (canonical_name(purl.name), purl.version or one.version or "")
        for one in inventory.components
        for purl in one.purls
        if purl.type == "pypi" and not one.subject and not one.ancestor
    ]


def _known_today(
    inventory: Inventory, policy: Policy, stage: Stage, environ: Mapping[str, str], now: datetime
) -> Iterator[str]:
    wanted = _packages(inventory)
    if not wanted:
        return
    most = policy.install.advisory_max_age
    try:
        with open_database(environ, most=most, offline=True, now=now, progress=Silence()) as database:
            answers = database.query(wanted)
    except AdvisoryError as error:
        yield f"{_UNKNOWN}: {error.message}"
        return
    for (name, version), advisories in zip(wanted, answers, strict=True):
        for one in advisories:
            stops = one.malware or one.severity.reaches(stage.fail_on)
            if stops and not _ignored(one.names, name, policy, now):
                yield f"{one.id} ({one.severity}) is about {name} {version}"


def _ignored(ids: Iterable[str], package: str, policy: Policy, now: datetime) -> bool:
    return any(
        one.id in set(ids) and one.package in {None, package} and now.date() <= one.expires
        for one in policy.install.ignore_advisories
    )


def _require_recorded(case: Case, place: Path) -> None:
    """Demand that the ledger, where it knows what was written there, knows these bytes.

    Raises:
        ForgedError: It knows others.
        SourceError: It cannot be read, and the policy requires it.
    """
    from weighlock.errors import LedgerError, TamperedError
    from weighlock.gates.ledger import open_ledger

    try:
        ledger = open_ledger(case.request.environ)
        known = Documents.read(ledger)
        known.look_up(place)
    except NotRecordedError:
        return
    except TamperedError as error:
        raise ForgedError(f"the ledger does not verify: {error.message}", where=error.where) from error
    except LedgerError as error:
        if case.project.policy.evidence.ledger.required:
            raise SourceError(f"the ledger cannot be read: {error.message}", where=error.where) from error
