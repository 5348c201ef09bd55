"""The files that ``morl algo new`` writes: a complete algorithm, its test and its page."""
