"""The promotion gate: one file for each kind of evidence, and the sequence in `weighlock.gates.promotion.gate`."""
