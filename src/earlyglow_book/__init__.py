"""What the book computes: its chapters, and what turns their parameters into stored results."""
