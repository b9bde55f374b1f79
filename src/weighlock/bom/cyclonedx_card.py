"""The model card of a component, in the form of CycloneDX.

Source:
    ``modelCard`` in the schemas of CycloneDX 1.6 and 1.7, which are the same in this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighlock.bom.values import ModelCard


def kept(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table without what says nothing."""
    return {key: value for key, value in table.items() if value not in (None, "", [], {})}


def model_card(card: ModelCard) -> dict[str, Any]:
    """Return the table; empty where the card says nothing."""
    return kept(
        {
            "modelParameters": kept(
                {
                    "task": card.task,
                    "architectureFamily": card.family,
                    "modelArchitecture": card.architecture,
                    "datasets": [{"ref": ref} for ref in card.datasets],
                    "inputs": [{"format": text} for text in card.inputs],
                    "outputs": [{"format": text} for text in card.outputs],
                }
            ),
            "quantitativeAnalysis": kept(
                {
                    "performanceMetrics": [
                        kept({"type": metric.kind, "value": metric.value, "slice": metric.slice})
                        for metric in card.metrics
                    ]
                }
            ),
            "considerations": _considerations(card),
            "properties": [{"name": name, "value": value} for name, value in card.properties],
        }
    )


def _considerations(card: ModelCard) -> dict[str, Any]:
    return kept(
        {
            "users": list(card.users),
            "useCases": list(card.uses),
            "technicalLimitations": list(card.limitations),
            "performanceTradeoffs": list(card.tradeoffs),
            "ethicalConsiderations": [{"name": text} for text in card.risks],
            "environmentalConsiderations": kept(
                {"properties": [{"name": name, "value": value} for name, value in card.environment]}
            ),
        }
    )
