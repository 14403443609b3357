"""What is right and what is typically wrong in the code exercises, one module a chapter."""
