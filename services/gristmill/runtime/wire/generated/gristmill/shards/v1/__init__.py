"""Generated from protos/ by `make proto`; not for editing."""
