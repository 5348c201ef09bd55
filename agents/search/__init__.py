"""What evolution searches in: genotypes, sequences of actions, and the archive of what was found."""
