"""Convex coverage sets: the outer loop over weights, its certificate, and the best policies for one weight."""
