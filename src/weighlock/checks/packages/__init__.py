"""Checks of packages: one file each, found as those in the folder above, read only where packages are judged."""
