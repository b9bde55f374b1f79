"""Advisories: OSV records in a local database, how it is filled, and others that can be asked."""
