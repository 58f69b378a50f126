"""The domain tree."""
