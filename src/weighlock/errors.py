"""Every error that weighlock raises on purpose, each with its exit code.

Exit codes: 0 admitted, 1 refused by policy, 2 could not decide.
"""


class WeighlockError(Exception):
    """Something went wrong that the user can understand and mend; the command line prints it in one line.

    Args:
        message: What happened, one sentence without a full stop.
        where: The place, such as ``models[3].files[0].sha256`` or a path.
        hint: The one next step.
    """

    exit_code = 2

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(WeighlockError):
    """The command was called in a way that it does not understand."""


class PolicyError(WeighlockError):
    """The policy file cannot be read or says something that weighlock does not know."""


class LockfileError(WeighlockError):
    """The lockfile is missing, broken, or of a version that this weighlock does not know."""


class RecordError(WeighlockError):
    """The record of answers of an audit cannot be read or says something that weighlock does not know."""


class SourceError(WeighlockError):
    """A model source (Hub, URL, folder) cannot be reached or answers nonsense."""


class AdvisoryError(WeighlockError):
    """A source of advisories is missing, broken or too old, or cannot be asked."""


class NoWheelError(SourceError):
    """No index has a wheel of what is asked for; it may be there as an sdist.

    Args:
        requirement: What was asked for.
        what: ``it``, or ``this version`` where there are wheels of others.
        hint: The one next step.
    """

    def __init__(self, requirement: str, *, what: str = "it", hint: str | None = None) -> None:
        super().__init__(f"no index has a wheel of {what} for this Python and platform", where=requirement, hint=hint)
        self.requirement = requirement


class EngineError(WeighlockError):
    """A policy engine gave no answer that counts; what it was asked about is denied."""


class DigestMismatchError(WeighlockError):
    """Bytes are not the bytes that the lockfile expects."""

    exit_code = 1


class ForgedError(WeighlockError):
    """Evidence about an artifact, such as an attestation, does not verify or is about other bytes."""

    exit_code = 1


class AdmissionError(WeighlockError):
    """The policy refused an artifact in a command (not in a guarded program, see `LoadRefused`)."""

    exit_code = 1


class LedgerError(WeighlockError):
    """The ledger cannot be read or written."""


class TamperedError(LedgerError):
    """The ledger, or a proof from it, is not what was sealed."""

    exit_code = 1


class FormatError(WeighlockError):
    """Bytes do not have the structure that a format demands."""


class OverBudgetError(WeighlockError):
    """Judging the bytes would cost more than the budget allows; the artifact is unverifiable."""


class UnsupportedError(WeighlockError):
    """Bytes are in a form that weighlock recognises but cannot unpack, so that the artifact is unverifiable."""


class GuardError(WeighlockError):
    """The guard cannot start or cannot reach a choke point of a guarded library."""


class LoadRefused(BaseException):
    """The guard refused a load.

    It derives from `BaseException` on purpose: libraries wrap downloads and loads in
    ``except Exception`` and carry on with the very file that was refused.

    Args:
        message: The whole refusal for a person: artifact, finding, rule and remedy.
        exit_code: 1, or 2 where the policy or the lockfile cannot be read, so that nothing can be judged.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int = exit_code) -> None:
        super().__init__(message)
        self.exit_code = exit_code
