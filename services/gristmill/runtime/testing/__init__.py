"""What tests share, for tests only: nothing that ships imports this package."""
