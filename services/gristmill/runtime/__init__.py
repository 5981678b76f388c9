"""What the services share, in layers: model < ports < wire < engine and adapters."""
