"""The promotion gate inside other people's servers."""
