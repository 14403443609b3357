"""One module or folder a chapter: its parameters, its tables, its words and its own figures."""
