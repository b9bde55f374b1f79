"""Python files of packages, read through `ast` alone: never compiled, executed or imported."""
