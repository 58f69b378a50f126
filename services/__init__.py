"""The five rooms of Sishu and what they share; one folder a room, the same furniture in each."""

import os

# gRPC watches forks, and uvloop forks to start a program, where the standard loop does not: while calls go
# on, up to one new process in ten died by SIGSEGV before its program began. Read when gRPC is imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
