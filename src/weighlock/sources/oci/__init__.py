"""Registries of containers that hold models: what they hold is believed by its digest alone."""
