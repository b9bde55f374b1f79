"""One guarded library per file. Each has `patch(module, patches)`, called right after `module` was executed.

A hook imports no other hook and nothing heavy; it reaches the engine through `weighlock.runtime._admit` alone.
Its docstring lists what it covers and what it does not.
"""
