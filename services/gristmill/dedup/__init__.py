"""dedup: keeps the first of equal documents, and can say which one that is."""
