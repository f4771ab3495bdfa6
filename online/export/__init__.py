"""Versions of a registry for model servers that are not ours: put where they read, loaded there, then routed to."""
