"""The ledger: the append-only, tamper-evident log of verdicts and accesses."""
