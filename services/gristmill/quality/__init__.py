"""Quality: a score from 0 to 1 for each document, which no stage acts on."""
