"""Decisions as pure functions over frozen values: no await, clock, chance, log or environment."""
