"""What ``weighlock verify --chain`` asks for."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock._cli._signature_options import trust_named
from weighlock._cli._terminal import emit
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock._cli._signature_options import SignatureOptions
    from weighlock.gates.project import Project
    from weighlock.gates.verify import VerifyReport
    from weighlock.lockfile import Lockfile


def verify_chain(
    found: VerifyReport,
    locked: Lockfile,
    project: Project,
    signature: SignatureOptions | None,
    *,
    bill: str | None,
    since: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Verify every link, and report."""
    from weighlock.gates.chain import BILL, Chain, ChainReport
    from weighlock.gates.ledger import open_ledger
    from weighlock.output.chain import chain_json, chain_text

    if signature is not None and signature.bundles:
        raise UsageError("takes the signatures beside each document", where="--chain", hint="leave out --signature")
    if bill is not None and not os.path.isfile(bill):
        raise UsageError("there is no such file", where=bill, hint="weighlock bom --output FILE writes one")
    chain = Chain(
        project=project,
        lockfile=locked,
        bill=Path(bill) if bill else project.folder / BILL,
        trust=trust_named(signature, project) if signature is not None else None,
        now=datetime.now(UTC),
    )
    links = (*chain.links(found), *chain.model_signatures(), *chain.recorded(open_ledger(os.environ), since))
    report = ChainReport(links=links)
    emit((chain_json if kind == "json" else chain_text)(report), output)
    return report.exit_code
