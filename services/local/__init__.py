"""The single-machine stack: Postgres, an S3 server and the rooms as processes under one state directory."""
