"""dedup: keeps the first of equal and of nearly equal documents, and can say which one that is."""
