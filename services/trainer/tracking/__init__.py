"""What is told of a run while it goes on and after it has ended: verdict, event file, trackers."""
