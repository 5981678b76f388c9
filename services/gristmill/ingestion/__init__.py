"""ingestion: turns what a source delivers into documents, and applies the cheap rules."""
