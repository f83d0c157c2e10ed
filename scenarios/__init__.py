"""YAML in, verdict out: networks, traffic, events and expectations from a file, run in virtual time."""
