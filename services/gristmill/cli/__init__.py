"""The command line, and where everything is put together for a run on one machine."""
