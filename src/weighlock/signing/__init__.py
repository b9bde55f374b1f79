"""Signatures and attestations: who vouches for bytes, verified by the libraries that are made for it."""
