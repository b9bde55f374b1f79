"""Output: the only room that makes strings for people. One renderer per file, each with `render(report)`."""
