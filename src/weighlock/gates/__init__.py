"""Gates: the places where a verdict is enforced. They hold the sequence and nothing else."""
