"""Structure-aware fuzzing of the inspector against real unpicklers."""
