"""The checks behind :func:`morl.check_env`, one subject a file; each yields a line per fault that it finds."""
