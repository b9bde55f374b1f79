"""uv as the resolver of an installation."""
