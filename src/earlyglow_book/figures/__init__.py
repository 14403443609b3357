"""A few general figures in one style."""
