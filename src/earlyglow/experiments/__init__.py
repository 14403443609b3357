"""Experiments: a configuration becomes a table of scores, kept by the hash of its inputs."""
