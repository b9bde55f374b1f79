"""The report about an incident, in each of its forms."""
