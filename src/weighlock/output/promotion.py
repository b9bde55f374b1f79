"""What came of a promotion, its rehearsal, an approval, or a rollback; for people and as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from weighlock.output.escape import printable
from weighlock.output.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.promotion.approval import Approved
    from weighlock.gates.promotion.gate import Promotion
    from weighlock.gates.promotion.requirement import Requirement
    from weighlock.gates.promotion.rollback import RolledBack

_WIDTH = 80
_COLORS = {"ok": "32", "missing": "33", "fails": "31"}


def promotion_text(done: Promotion, *, dry_run: bool, color: bool = False) -> str:
    """Return one paragraph for each requirement, and the verdict last."""
    resource = done.case.promotable.resource
    lines = [line for one in done.requirements for line in _requirement(one, color=color)]
    short = sum(not one.met for one in done.requirements)
    if done.promoted is not None:
        vsa = done.promoted.vsa
        lines.append(f"promoted  {resource.model} version {vsa.version} is in {resource.stage}")
        lines.append(f"          {len(vsa.promotable.files)} files, in {printable(done.case.registry.place)}")
        lines.append(f"          by {printable(done.promoted.verifier)}, {done.promoted.digest}")
    elif done.verdict.allowed:
        lines.append(f"ready     {resource.model} may be promoted to {resource.stage}; nothing was moved")
    else:
        verb = "lacks" if dry_run else "not promoted:"
        lines.append(f"refused   {resource.model} {verb} {short} of what {resource.stage} requires")
    return "".join(f"{line}\n" for line in lines)


def promotion_json(done: Promotion, *, dry_run: bool) -> str:
    """Return the same as one JSON object."""
    resource, promoted = done.case.promotable.resource, done.promoted
    document = {
        "command": "promote",
        "dry-run": dry_run,
        "allowed": done.verdict.allowed,
        "resource": resource.uri,
        "registry": done.case.registry.place,
        "in-force": done.case.previous,
        "requirements": [
            {
                "kind": one.kind,
                "status": one.status,
                "text": one.text,
                "where": one.where,
                "hint": one.hint,
                "inputs": [{"kind": item.kind, "name": item.name, "digest": str(item.digest)} for item in one.inputs],
            }
            for one in done.requirements
        ],
        "promoted": None
        if promoted is None
        else {"version": promoted.vsa.version, "digest": promoted.digest, "verifier": promoted.verifier},
    }
    return json_text(document)


def approval_text(done: Approved) -> str:
    """Return what was approved, and until when."""
    resource, approval = done.case.promotable.resource, done.approval
    lines = [
        f"approved  {resource.model} for {resource.stage}, by {done.who}",
        f"          {len(approval.promotable.files)} files, in place of {approval.previous or 'nothing'}",
        f"          until {approval.expires:%Y-%m-%d %H:%M} UTC: {approval.reason}",
        f"          {done.place}",
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def approval_json(done: Approved) -> str:
    """Return the same as one JSON object."""
    approval = done.approval
    document = {
        "command": "approve-promotion",
        "resource": approval.promotable.resource.uri,
        "by": done.who,
        "replaces": approval.previous,
        "expires": f"{approval.expires:%Y-%m-%dT%H:%M:%SZ}",
        "reason": approval.reason,
        "bundle": str(done.place),
        "digest": done.digest,
    }
    return json_text(document)


def rollback_text(done: RolledBack) -> str:
    """Return what is in force again, and what was passed over."""
    resource, vsa = done.resource, done.promoted.vsa
    lines = [f"passed    version {version}: {why}" for version, why in done.passed]
    lines += [
        f"back      {resource.model} version {vsa.version} is in {resource.stage}, in place of {done.replaced}",
        f"          {len(vsa.promotable.files)} files, each read again, in {done.place}",
        f"          by {done.promoted.verifier}, {done.promoted.digest}",
    ]
    if done.locked:
        lines.append(f"          {done.lockfile} has its entry again; sign it, where your policy requires that")
    lines += [f"restored  {path}" for path in done.restored]
    return "".join(f"{printable(line)}\n" for line in lines)


def rollback_json(done: RolledBack) -> str:
    """Return the same as one JSON object."""
    document = {
        "command": "rollback",
        "resource": done.resource.uri,
        "version": done.promoted.vsa.version,
        "replaced": done.replaced,
        "digest": done.promoted.digest,
        "passed": [{"version": version, "why": why} for version, why in done.passed],
        "lockfile": done.lockfile if done.locked else None,
        "restored": list(done.restored),
    }
    return json_text(document)


def _requirement(one: Requirement, *, color: bool) -> Iterator[str]:
    status = f"{one.status:<10}"
    if color:
        status = f"\x1b[{_COLORS[one.status]}m{status}\x1b[0m"
    first, *others = textwrap.wrap(printable(one.text), _WIDTH - 22, break_on_hyphens=False) or [""]
    yield f"{status}{one.kind:<12}{first}"
    yield from (f"{'':22}{line}" for line in others)
    if not one.met and one.where:
        yield f"{'':22}in {printable(one.where)}"
    if not one.met and one.hint:
        yield f"{'':10}{'hint':<12}{printable(one.hint)}"
