"""How complete a bill of materials is, measured against what the G7 and the EU AI Act ask for."""

from weighlock.bom.completeness.element import Answer, Element, Scorecard, Status
from weighlock.bom.completeness.score import score

__all__ = ["Answer", "Element", "Scorecard", "Status", "score"]
