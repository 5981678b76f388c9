"""syntax: finds a file's language and drops files that are not well-formed in it."""
