"""Audits to render: an honest one, a large one, and one whose every text is an attacker's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.audit.samples import DIGEST, NOW, PROOF, facts, file, finding, plain
from weighlock.audit.facts import BomFacts, CardFacts, PackageFacts, Packages, Relative, SignatureFacts
from weighlock.audit.item import Status, Waiver
from weighlock.audit.parts import QUESTIONS
from weighlock.audit.record import Answered, ModelRecord, Record
from weighlock.audit.verdict import Audit, conclude
from weighlock.finding import Location, Outcome
from weighlock.lockfile import UrlSource

MARKER = "weighlock-was-here"
ATTACKS = (
    f"<script>document.documentElement.id='{MARKER}'</script>",
    f"\"'><img src=x onerror=\"document.documentElement.id='{MARKER}'\">",
    f"</title></style></textarea><svg onload=\"document.documentElement.id='{MARKER}'\">",
    "<style>*{display:none}</style><link rel=stylesheet href=/leak.css><base href=//evil.example/>",
    "<iframe src=/leak.html></iframe><meta http-equiv=refresh content='0;url=/leak'>",
    "javascript:document.documentElement.id='x'",
    "\x1b]0;owned\x07\x1b[2J\x00\x08\r\n::error::owned ##[error]owned",
    "\u202egpj.exe\u2066\u200b\u2028\ufeff\udc80",
    "e" + "\u0301" * 500,
    "| a | b |\n|---|---|\n[x](javascript:alert(1)) ![x](http://evil.example/x.png) @everyone <!-- ",
    "&lt;script&gt; &amp; ]]> -->",
    "W" * 100_000,
    "\u05d0\u05d1" * 2_000,
)


def allowed() -> Audit:
    about = facts()
    answers = tuple(
        Answered(item=one.id, status=Status.PASS, text="Looked at.", by="Jo Doe", at=NOW.date())
        for one in QUESTIONS
        if one.assess is None
    )
    waivers = (
        Waiver(
            item="export",
            reason="Counsel answers in March.",
            by="Jo Doe",
            approver="Ann Roe",
            at=NOW.date(),
            expires=NOW.date() + timedelta(days=90),
        ),
    )
    answers = tuple(one for one in answers if one.item != "export")
    record = Record(models=(ModelRecord(name=about.model, digest=about.digest, answers=answers, waivers=waivers),))
    return conclude(about, record, digest=DIGEST)


def large(count: int = 300) -> Audit:
    shards = tuple(
        file(
            f"checkpoints/step-{n:05d}/model-{n:05d}-of-{count:05d}.safetensors",
            size=4_000_000_000 + n,
            sha256=f"{n:064x}",
        )
        for n in range(count)
    )
    packages = Packages(
        inputs=("requirements.txt",),
        packages=tuple(PackageFacts(name=f"package-{n}", version=f"1.{n}") for n in range(120)),
        advisories="2026-11-24",
    )
    return conclude(facts(files=shards, packages=packages))


def hostile() -> Audit:
    """Return an audit in which every text that does not come from weighlock is an attack, in every place."""
    files = tuple(
        file(
            attack or "x",
            sha256=f"{n:064x}",
            format=attack,
            locked=False,
            disk="extra",
            mismatch=attack,
            outcome=Outcome.REFUSED,
            needs=(attack,),
            twins=(attack,),
            denied=(attack,),
            findings=(
                finding(message=attack, location=Location(members=(attack, attack), offset=2**70)),
                finding("chat-template", message=attack),
                finding("archive-anomalies", message=attack),
                finding("remote-code", message=attack),
            ),
        )
        for n, attack in enumerate(ATTACKS)
    )
    text = "".join(ATTACKS[:11])
    about = facts(
        model=text,
        source=UrlSource(url=text),
        license=text,
        files=(*files, plain("README.md")),
        card=CardFacts(path=text, digest=DIGEST, license=ATTACKS[0], problem=text),
        relatives=tuple(
            Relative(name=attack, kind=kind, revision=attack, license=attack, locked=n % 2 == 0)
            for n, attack in enumerate(ATTACKS)
            for kind in ("model", "dataset")
        ),
        packages=Packages(
            inputs=ATTACKS,
            packages=tuple(
                PackageFacts(name=attack, version=attack, denied=(attack,), advisories=(attack,)) for attack in ATTACKS
            ),
            denied=ATTACKS,
            advisories=text,
            warnings=ATTACKS,
        ),
        signatures=(SignatureFacts(place=text, digest=DIGEST, signer=text, problem=text),),
        bom=BomFacts(place=text, digest=DIGEST, missing=ATTACKS, problem=text),
        ledger=replace(PROOF, checkpoint="\n".join(ATTACKS), gate=text, time=text, hashes=ATTACKS),
        licenses=ATTACKS,
        unlisted=ATTACKS,
    )
    answers = (
        Answered(item="export", status=Status.PASS, text=text, by=text, at=NOW.date(), place=text),
        Answered(item="bias-report", status=Status.PASS, text=text, by=text, at=NOW.date(), place=ATTACKS[5]),
    )
    waiver = Waiver(item="signature", reason=text, by=text, approver=text, at=NOW.date(), expires=NOW.date())
    record = Record(models=(ModelRecord(name=text, digest=about.digest, answers=answers, waivers=(waiver,)),))
    return replace(conclude(about, record), notes=ATTACKS)
