"""The corpora that prove the inspector: data-only, class-needing and malicious files, all built here, none committed."""
