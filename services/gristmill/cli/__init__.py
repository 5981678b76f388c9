"""The command line, and where everything is put together for a run on one machine."""

import os

# gRPC reads it while it is imported; its lines on stderr are none of our log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
