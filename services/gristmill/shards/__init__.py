"""shards: writes finished documents and every decision to the tables."""
