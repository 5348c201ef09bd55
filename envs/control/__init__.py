"""Control problems with continuous states: minecart, mountain cars, a reservoir, and other simulators' tasks."""
