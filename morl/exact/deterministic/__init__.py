"""Fronts of deterministic policies (stationary, Markov, with memory), which need not be convex."""
