"""Comments: what people say about examples."""
