"""One module per outside system, behind the ports: files, archives, LMDB, Iceberg, settings."""
