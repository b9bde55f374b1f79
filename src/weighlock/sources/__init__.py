"""Where models come from: repositories of a Hub, URLs, and folders of this machine.

Whatever they deliver goes to a private quarantine folder first and is hashed while it is written;
nothing is published from there before a gate admitted it.
"""
