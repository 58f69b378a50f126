"""The whole job, through the command, on a real stack."""
