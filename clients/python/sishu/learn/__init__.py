"""The main job: documents in, a tuned model and a report out; a client of the API like any other."""
