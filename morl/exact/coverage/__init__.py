"""Convex coverage sets: the outer loop over weights, its certificate, and policy iteration for one weight."""
