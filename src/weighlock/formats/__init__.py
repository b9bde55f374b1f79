"""Formats: bytes in, structure out. Nothing here opens a path, executes or imports anything of the bytes."""
