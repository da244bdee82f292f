"""Summarises, judges and draws what the stages measured; it runs in seconds and measures nothing itself."""
