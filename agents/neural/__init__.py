"""What agents with networks share: networks, replay, the off-policy loop, and what stable-baselines3 needs."""
