"""The questions of the audit, one file a part; each stands beside the function that answers it."""

from __future__ import annotations

from weighlock.audit.parts import dependencies, legal, provenance, security

QUESTIONS = (*provenance.QUESTIONS, *security.QUESTIONS, *dependencies.QUESTIONS, *legal.QUESTIONS)
"""Every question, in the order in which reports show them."""

BY_ID = {question.id: question for question in QUESTIONS}
"""The same by their ids."""
