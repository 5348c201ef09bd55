"""What evolution searches in: genotypes, and sequences of actions."""
