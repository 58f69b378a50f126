"""What every room shares: process, server, database, queue, storage, errors, metrics and logs."""
