"""Security scan: what loading the model can do, as far as its bytes tell, and what only trying it out tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.item import Part, Question, failed, named, passed, unknown
from weighlock.finding import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.audit.facts import Facts, FileFacts
    from weighlock.audit.item import Answer
    from weighlock.finding import Finding

_WITHOUT_PICKLES = frozenset(
    {
        *("safetensors", "gguf", "onnx", "ort", "npy", "jinja", "chat-template", "keras-config", "keras-metadata"),
        *("tflite", "executorch", "tensorflow", "tensorflow-graph", "hdf5", "keras-h5"),
    }
)
"""Formats whose loaders unpickle nothing, if the inspector found nothing that is imported either."""

_CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib")
_TEMPLATES = frozenset({"jinja", "chat-template", "gguf"})


def _formats(facts: Facts) -> Answer:
    if not facts.files:
        return unknown("there is no file to look at")
    bad = _of_outcome(facts, Outcome.UNVERIFIABLE)
    if bad:
        return failed(f"{_counted(bad)} cannot be understood: {_named(bad)}", *_digests(bad))
    if facts.uninspected:
        return _unseen(facts)
    models = [file for file in facts.files if file.outcome is not Outcome.NOT_A_MODEL]
    kinds = sorted({file.format or "unknown" for file in models})
    return passed(f"{_counted(facts.files)} read to the end; {len(models)} hold models or templates: {named(kinds)}")


def _refused(facts: Facts) -> Answer:
    bad = _of_outcome(facts, Outcome.REFUSED)
    if bad:
        return failed(f"{_counted(bad)} would do harm when loaded: {_named(bad)}", *_digests(bad))
    if facts.uninspected or not facts.files:
        return _unseen(facts)
    return passed("no file imports or does what is known to do harm")


def _imports(facts: Facts) -> Answer:
    asking = [file for file in facts.files if set(file.needs) - set(file.approved)]
    if asking:
        names = sorted({name for file in asking for name in set(file.needs) - set(file.approved)})
        return failed(f"{_counted(asking)} import what nobody approved: {named(names)}", *_digests(asking))
    waiting = [file for file in _of_outcome(facts, Outcome.NEEDS_APPROVAL) if not file.needs]
    if waiting:
        return failed(f"{_counted(waiting)} need an approval: {_named(waiting)}", *_digests(waiting))
    if facts.uninspected or not facts.files:
        return _unseen(facts)
    approved = sorted({name for file in facts.files for name in file.needs})
    if approved:
        return passed(f"all that its files import beyond plain data is approved for these bytes: {named(approved)}")
    return passed("nothing in its files imports anything beyond plain data")


def _unsafe(facts: Facts) -> Answer:
    accepted = [file for file in facts.files if file.unsafe]
    if accepted:
        return failed(f"{_counted(accepted)} were accepted whatever they do: {_named(accepted)}", *_digests(accepted))
    return passed("no file of it was accepted unseen") if facts.files else unknown("there is no file to look at")


def _twin(facts: Facts) -> Answer:
    pickled = [file for file in facts.files if _may_unpickle(file)]
    alone = [file for file in pickled if not file.twins]
    if alone:
        return failed(f"{_counted(alone)} can only be loaded by unpickling: {_named(alone)}", *_digests(alone))
    if facts.uninspected or not facts.files:
        return _unseen(facts)
    if pickled:
        return passed(f"{_counted(pickled)} have safetensors twins that were proved to hold the same tensors")
    return passed("no file of it is loaded by unpickling")


def _code(facts: Facts) -> Answer:
    scripts = [file for file in facts.files if file.path.lower().endswith(_CODE)]
    told = [
        f"{file.path}: {finding.message}"
        for file, finding in facts.findings("remote-code")
        if finding.severity.reaches(Severity.MEDIUM)
    ]
    if facts.remote_code:
        return failed(f"the lockfile lets its Python files run: {_named(scripts) or 'all of them'}", *_digests(scripts))
    if told:
        return failed(f"it asks for code to be run: {named(told, 3)}")
    loose = [file for file in scripts if not file.locked]
    if loose:
        return failed(f"code lies among its files that nobody decided about: {_named(loose)}", *_digests(loose))
    if not _seen(facts):
        return _unseen(facts)
    if scripts:
        told_of = f"no configuration asks for code; what lies among its files may not run: {_named(scripts)}"
        return passed(told_of, *_digests(scripts))
    return passed("no code lies among its files, and no configuration asks for any")


def _template(facts: Facts) -> Answer:
    bad = [(file, finding) for file, finding in facts.findings("chat-template") if _counts(finding)]
    if bad:
        told = named([f"{file.path}: {finding.message}" for file, finding in bad], 3)
        return failed(told, *_digests(file for file, _ in bad))
    if not _seen(facts):
        return _unseen(facts)
    found = [file for file in facts.files if file.format in _TEMPLATES]
    if not found:
        return passed("it has no chat template")
    return passed(f"the templates in {_named(found)} reach for nothing but texts", *_digests(found))


def _archives(facts: Facts) -> Answer:
    bad = [(file, finding) for file, finding in facts.findings("archive-anomalies") if _counts(finding)]
    if bad:
        told = named([f"{file.path}: {finding.message}" for file, finding in bad], 3)
        return failed(told, *_digests(file for file, _ in bad))
    return passed("every archive reads the same to every program") if _seen(facts) else _unseen(facts)


def _policy(facts: Facts) -> Answer:
    if facts.refused:
        return failed(f"the policy refuses the model: {named(facts.refused)}", facts.policy)
    denied = [file for file in facts.files if file.denied]
    if denied:
        told = named([f"{file.path}: {file.denied[0]}" for file in denied], 3)
        return failed(f"the policy refuses {_counted(denied)}: {told}", facts.policy, *_digests(denied))
    if not _seen(facts):
        return _unseen(facts)
    return passed(f"the policy of this project would load all {len(facts.files)} files", facts.policy)


def _counts(finding: Finding) -> bool:
    """Say whether a finding is more than a remark, such as that a template may take long."""
    return finding.outcome > Outcome.DATA_ONLY or finding.severity.reaches(Severity.MEDIUM)


def _may_unpickle(file: FileFacts) -> bool:
    if file.outcome is Outcome.NOT_A_MODEL and file.format is None:
        return False
    return (file.format or "") not in _WITHOUT_PICKLES or bool(file.needs)


def _seen(facts: Facts) -> bool:
    return bool(facts.files) and not facts.uninspected


def _unseen(facts: Facts) -> Answer:
    files = facts.uninspected
    if not files:
        return unknown("there is no file to look at")
    return unknown(f"{_counted(files)} could not be inspected, because they are not here: {_named(files)}")


def _of_outcome(facts: Facts, outcome: Outcome) -> list[FileFacts]:
    return [file for file in facts.files if file.outcome is outcome]


def _named(files: Iterable[FileFacts]) -> str:
    return named([file.path for file in files])


def _counted(files: Iterable[FileFacts]) -> str:
    count = len(list(files))
    return f"{count} file{'s' * (count != 1)}"


def _digests(files: Iterable[FileFacts]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"sha256:{file.sha256}" for file in files))


QUESTIONS = (
    Question(
        id="formats-understood",
        part=Part.SECURITY,
        text="Could every file be read to its end, under every loader that would take it?",
        passes="The inspector finds no file `unverifiable`.",
        owner="security",
        assess=_formats,
        answerable=False,
        evidence_for=("MEASURE 2.7", "ML06:2023", "AML.T0011.000", "AML.M0016"),
    ),
    Question(
        id="no-harm",
        part=Part.SECURITY,
        text="Is no file refused, because loading it would do harm?",
        passes="The inspector finds no file `refused`: no dangerous import, no way out of a template, no altered twin.",
        owner="security",
        assess=_refused,
        waivable=False,
        answerable=False,
        evidence_for=(
            *("MEASURE 2.7", "MANAGE 3.2", "ML06:2023", "ML10:2023"),
            *("AML.T0011.000", "AML.T0018.002", "AML.M0011", "AML.M0016"),
        ),
    ),
    Question(
        id="imports-approved",
        part=Part.SECURITY,
        text="Is everything approved that loading its files imports?",
        passes="Files hold only data, or every name that they need was approved for exactly these bytes.",
        owner="security",
        assess=_imports,
        answerable=False,
        evidence_for=("MEASURE 2.7", "MANAGE 3.2", "ML06:2023", "AML.T0011.000", "AML.M0011"),
    ),
    Question(
        id="nothing-accepted-unseen",
        part=Part.SECURITY,
        text="Was no file accepted whatever it does (`approve --unsafe`)?",
        passes="No locked file has `unsafe = true`.",
        owner="security",
        assess=_unsafe,
        answerable=False,
        evidence_for=("MEASURE 2.7", "MANAGE 1.4", "ML06:2023", "AML.T0011.000"),
    ),
    Question(
        id="without-unpickling",
        part=Part.SECURITY,
        text="Can its weights be loaded without unpickling?",
        passes="No file is a pickle, or each has a safetensors twin that was proved to hold the same tensors.",
        owner="ML engineering",
        assess=_twin,
        answerable=False,
        evidence_for=("MANAGE 3.2", "ML06:2023", "AML.T0011.000", "AML.M0011"),
    ),
    Question(
        id="no-code",
        part=Part.SECURITY,
        text="Does it work without code of its repository (`trust_remote_code`)?",
        passes="No configuration asks for code, the lockfile admits none, and whatever code lies there is locked.",
        owner="security",
        assess=_code,
        answerable=False,
        evidence_for=("MEASURE 2.7", "MANAGE 3.2", "ML06:2023", "AML.T0018.002", "AML.M0011"),
    ),
    Question(
        id="chat-template",
        part=Part.SECURITY,
        text="Do its chat templates reach for nothing but texts?",
        passes="The check `chat-template` finds nothing of medium severity or worse.",
        owner="security",
        assess=_template,
        answerable=False,
        evidence_for=("MEASURE 2.7", "ML06:2023", "AML.T0011.000", "AML.T0018.002"),
    ),
    Question(
        id="archives",
        part=Part.SECURITY,
        text="Do its archives read the same to every program?",
        passes="The check `archive-anomalies` finds nothing of medium severity or worse.",
        owner="security",
        assess=_archives,
        answerable=False,
        evidence_for=("MEASURE 2.7", "ML06:2023", "AML.T0011.000", "AML.T0074"),
    ),
    Question(
        id="policy-admits",
        part=Part.SECURITY,
        text="Would the policy of this project load every file of it?",
        passes="The load gate's own decision about each file is ALLOW.",
        owner="security",
        assess=_policy,
        waivable=False,
        answerable=False,
        evidence_for=("SLSA VSA", "MANAGE 1.1", "MAP 4.2", "ML06:2023", "AML.M0011", "AML.M0014"),
    ),
    Question(
        id="behaviour-tested",
        part=Part.SECURITY,
        text="Was the model itself tried for backdoors and for answers that it must not give?",
        passes="A person names the report. Bytes do not tell: weights that hold only data can still be poisoned.",
        owner="security",
        evidence_for=(
            *("MEASURE 2.7", "MANAGE 1.4", "ML10:2023", "ML08:2023"),
            *("AML.T0018.000", "AML.T0043.004", "AML.M0008"),
        ),
    ),
    Question(
        id="evaluated",
        part=Part.SECURITY,
        text="Was it evaluated on data of its intended use, and are the published results reproduced?",
        passes="A person names the report.",
        owner="ML engineering",
        evidence_for=("MEASURE 2.3", "MANAGE 1.1", "ML08:2023", "AML.M0008"),
    ),
)
"""In the order in which reports show them."""
