"""Renderers of what is known about where something is, one per file."""
