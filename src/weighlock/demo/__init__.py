"""The demonstration: a loopback Hub and real small models, on this machine alone."""
