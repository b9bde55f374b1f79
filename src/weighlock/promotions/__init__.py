"""Registries in which models are promoted, as their clients see them; one file each."""
