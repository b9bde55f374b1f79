r"""The values of a policy, in JSON Schema, each exactly as the parser takes it.

Patterns hold in Python and in ECMA 262: ``$(?!\n)`` is the end of a string in both. ``\S`` is a character that
`str.strip` leaves.

Source:
    JSON Schema, draft 2020-12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.advisory import Severity
from weighlock.evidence_policy import DECISION
from weighlock.policy import REPOSITORY_TYPES
from weighlock.promotion_policy import APPROVAL, EVIDENCE, LOCK, SCAN, SIGNATURE, PromotionPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

_END = r"$(?!\n)"


def one_of(words: Iterable[str], default: str) -> dict[str, Any]:
    """Return the schema of a word."""
    return {"enum": list(words), "default": default}


def _matching(pattern: str, *, about: str | None = None) -> dict[str, Any]:
    described = {} if about is None else {"description": about}
    return {**described, "type": "string", "pattern": pattern}


def _table(required: Iterable[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


def _text(about: str) -> dict[str, Any]:
    return {"description": about, **TEXT}


TEXT = _matching(r"\S")
TEXTS = {"type": "array", "items": TEXT, "default": []}
BOOLEAN = {"type": "boolean"}
AGE = _matching(rf"^[0-9]{{1,6}} ?(d|days?|h|hours?){_END}")
SEVERITY = {"enum": [str(severity) for severity in Severity if severity is not Severity.UNKNOWN]}
COUNT = {"type": "integer", "minimum": 1, "maximum": 100, "default": 1}

_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAYS = (
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])"
)
DAY = _matching(
    f"^(?!0000)(?:[0-9]{{4}}-(?:{_DAYS})|{_LEAP}-02-29){_END}", about="until the end of that day (UTC); a TOML date"
)

MODEL = _table(
    (),
    {
        "ref": _text("branch, tag or commit of a Hub repository; by default the source's"),
        "type": {"description": "what the repository holds", **one_of(REPOSITORY_TYPES, "model")},
        "include": {"description": "file patterns; none means all", **TEXTS},
        "exclude": {"description": "file patterns that are left out", **TEXTS},
        "remote-code": {
            "description": "the Python files of this model's repository may be executed",
            **BOOLEAN,
            "default": False,
        },
    },
)
MODELS = {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, MODEL]}, "default": {}}
OWNERS = {"type": "object", "additionalProperties": TEXT, "default": {}}
BUILDS = {
    "type": "array",
    "items": _matching(rf"^\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:==[\s\S]*)?{_END}"),
    "default": [],
}
ACCEPTANCE = _table(
    ("package", "check", "reason"),
    {
        "package": _text("canonical name of the project, or a pattern such as corp-*"),
        "check": {
            "description": "the one check whose findings are accepted",
            **TEXT,
            "not": {"enum": ["advisory", "malware-report"]},
        },
        "reason": _text("why, for the people who read the policy later"),
        "version": _text("only this version"),
        "expires": DAY,
    },
)
IGNORED = _table(
    ("id", "reason", "expires"),
    {
        "id": _text("any of the advisory's names"),
        "reason": _text("why"),
        "expires": DAY,
        "package": _text("only for this project"),
    },
)

_NAME = _text("for people; unique")
_KEY = _text("path of a public key (PEM), relative to the policy file")
_IDENTITY = _text("what the certificate has to name, exactly: an e-mail address or a URI")
_ISSUER = _text("who vouched for that identity (an OpenID Connect issuer)")
_CERTIFICATE = _text("path of the certificate of an authority (PEM), relative to the policy file")
SIGNERS = {
    "type": "array",
    "items": {
        "anyOf": [
            _table(("name", "key"), {"name": _NAME, "key": _KEY}),
            _table(("name", "identity", "issuer"), {"name": _NAME, "identity": _IDENTITY, "issuer": _ISSUER}),
            _table(
                ("name", "identity", "certificate"),
                {"name": _NAME, "identity": _IDENTITY, "certificate": _CERTIFICATE},
            ),
        ]
    },
    "default": [],
}

_ASKED = {
    "query": {
        **_matching(rf"^data(\.[A-Za-z_][A-Za-z0-9_]*)+{_END}", about="the rule that decides"),
        "default": DECISION,
    },
    "timeout": {
        **_matching(
            rf"^(?!0+(?:\.0+)? ?s)[0-9]{{1,4}}(?:\.[0-9]{{1,3}})? ?(?:s|seconds?){_END}",
            about="who has not answered by then has denied",
        ),
        "default": "2 seconds",
    },
}
ENGINES = {
    "type": "array",
    "items": {
        "anyOf": [
            _table(("rego",), {"rego": _text("a file or a folder of policies, relative to the policy file"), **_ASKED}),
            _table(
                ("opa",),
                {
                    "opa": _matching(
                        rf"^https?://[^@?#]*[^@?#/]/*{_END}", about="address of a running Open Policy Agent"
                    ),
                    **_ASKED,
                    "token": _matching(
                        rf"^[A-Za-z_][A-Za-z0-9_]*{_END}",
                        about="name of the environment variable with the bearer token of the server",
                    ),
                },
            ),
        ]
    },
    "default": [],
}

_REQUIRED = {
    "description": "kinds of evidence; lock and scan always, and with approval signature, which says who the author is",
    "type": "array",
    "items": {"enum": list(EVIDENCE)},
    "allOf": [{"contains": {"const": LOCK}}, {"contains": {"const": SCAN}}],
    "if": {"contains": {"const": APPROVAL}},
    "then": {"contains": {"const": SIGNATURE}},
    "default": list(EVIDENCE),
}
STAGES = {
    "type": "array",
    "minItems": 1,
    "items": _table(
        ("name",),
        {
            "name": _text("such as production; capital letters make no other"),
            "after": _text("the stage in which exactly these bytes have to be already; it stands above"),
            "names": {"description": "further names by which servers call it", **TEXTS},
            "require": _REQUIRED,
            "signatures": {"description": "so many different signers of the model or its lockfile", **COUNT},
            "approvals": {"description": "so many different people who approved, none of them an author", **COUNT},
            "approvers": {"description": "names of signers whose approvals count; none means all", **TEXTS},
            "actors": {"description": "users of a server who may move its names; none means all", **TEXTS},
            "fail-on": {
                "description": "an advisory of this severity or a higher one stops it",
                **SEVERITY,
                "default": "critical",
            },
        },
    ),
    "default": PromotionPolicy().to_dict()["stages"],
}
LISTS = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": r"\S",
        "anyOf": [{"not": {"pattern": "://"}}, {"pattern": r"^https?://(?![^/]*@)"}],
    },
    "default": [],
}
