"""Scores become AUROCs, means over pairs of sets, intervals and claims."""
