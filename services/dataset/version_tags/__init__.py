"""Tags: names that people give to dataset versions, such as `prod`."""
