"""Identifiers of published frameworks, each with its title, for which an item may be evidence.

An item is "evidence for" such an identifier and never proof of compliance with it: a framework asks for more than
any tool can see.

Source:
    SLSA 1.2 (slsa.dev); NIST AI 100-1, AI Risk Management Framework 1.0; OWASP Machine Learning Security Top Ten, 2023
    edition; MITRE ATLAS 5.6.0 (``dist/ATLAS.yaml`` of mitre-atlas/atlas-data).
"""

from __future__ import annotations

SLSA = "SLSA 1.2"
RMF = "NIST AI RMF 1.0"
OWASP = "OWASP ML Top 10 (2023)"
ATLAS = "MITRE ATLAS 5.6.0"

STANDARDS = (SLSA, RMF, OWASP, ATLAS)
"""In the order in which reports show them."""

_SLSA = {
    "SLSA Verifying artifacts": "Artifacts are compared with what is expected of them before use",
    "SLSA Dependency threats": "Threats that come with what an artifact is made of",
    "SLSA Build L1": "Provenance exists and says how the artifact was made",
    "SLSA Build L2": "Provenance is authentic and comes from a hosted build platform",
    "SLSA VSA": "A verification summary says who verified what, under which policy",
}
_RMF = {
    "GOVERN 1.1": "Legal and regulatory requirements are understood, managed and documented",
    "GOVERN 1.6": "Mechanisms to inventory AI systems",
    "GOVERN 2.1": "Roles, responsibilities and lines of communication are documented",
    "GOVERN 4.3": "Practices for testing, identification of incidents and information sharing",
    "GOVERN 6.1": "Policies for risks that third-party entities bring, rights of others included",
    "MAP 1.1": "Intended purposes, context of use and users are understood and documented",
    "MAP 4.1": "Technology and legal risks of components, third-party data and software included, are mapped",
    "MAP 4.2": "Internal risk controls for components are identified and documented",
    "MEASURE 2.3": "Performance is measured under conditions like those of deployment",
    "MEASURE 2.7": "Security and resilience are evaluated and documented",
    "MEASURE 2.10": "Privacy risk is examined and documented",
    "MEASURE 2.11": "Fairness and bias are evaluated and documented",
    "MANAGE 1.1": "Whether development or deployment should proceed is determined",
    "MANAGE 1.4": "Residual risks are documented",
    "MANAGE 3.1": "Third-party resources are monitored, and risk controls applied and documented",
    "MANAGE 3.2": "Pre-trained models are monitored as part of regular monitoring and maintenance",
    "MANAGE 4.3": "Incidents and errors are communicated, tracked and documented",
}
_OWASP = {
    "ML02:2023": "Data Poisoning Attack",
    "ML05:2023": "Model Theft",
    "ML06:2023": "AI Supply Chain Attacks",
    "ML07:2023": "Transfer Learning Attack",
    "ML08:2023": "Model Skewing",
    "ML10:2023": "Model Poisoning",
}
_ATLAS = {
    "AML.M0005": "Control Access to AI Models and Data at Rest",
    "AML.M0007": "Sanitize Training Data",
    "AML.M0008": "Validate AI Model",
    "AML.M0011": "Restrict Library Loading",
    "AML.M0013": "Code Signing",
    "AML.M0014": "Verify AI Artifacts",
    "AML.M0016": "Vulnerability Scanning",
    "AML.M0023": "AI Bill of Materials",
    "AML.M0024": "AI Telemetry Logging",
    "AML.M0025": "Maintain AI Dataset Provenance",
    "AML.T0010": "AI Supply Chain Compromise",
    "AML.T0010.001": "AI Supply Chain Compromise: AI Software",
    "AML.T0010.003": "AI Supply Chain Compromise: Model",
    "AML.T0011.000": "User Execution: Unsafe AI Artifacts",
    "AML.T0011.001": "User Execution: Malicious Package",
    "AML.T0018": "Manipulate AI Model",
    "AML.T0018.000": "Manipulate AI Model: Poison AI Model",
    "AML.T0018.002": "Manipulate AI Model: Embed Malware",
    "AML.T0019": "Publish Poisoned Datasets",
    "AML.T0020": "Poison Training Data",
    "AML.T0035": "AI Artifact Collection",
    "AML.T0043.004": "Craft Adversarial Data: Insert Backdoor Trigger",
    "AML.T0058": "Publish Poisoned Models",
    "AML.T0060": "Publish Hallucinated Entities",
    "AML.T0074": "Masquerading",
    "AML.T0109": "AI Supply Chain Rug Pull",
    "AML.T0111": "AI Supply Chain Reputation Inflation",
}

TITLES: dict[str, tuple[str, str]] = {
    identifier: (standard, title)
    for standard, table in ((SLSA, _SLSA), (RMF, _RMF), (OWASP, _OWASP), (ATLAS, _ATLAS))
    for identifier, title in table.items()
}
"""Standard and title of every identifier that an item may name."""
