"""What tabular agents share: tables over states, Pareto sets of vectors, and the policies behind those sets."""
