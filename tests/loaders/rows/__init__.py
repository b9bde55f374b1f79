"""The rows: one file for each family of loaders."""
