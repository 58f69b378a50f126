"""How items ask models: paid once, within a budget."""
