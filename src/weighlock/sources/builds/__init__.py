"""Builds of sdists and folders, in isolation, where the policy allows them by name."""
