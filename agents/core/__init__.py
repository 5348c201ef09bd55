"""What every agent uses and none owns: the problem, collecting, evaluating, preferences, options, callbacks, files."""
