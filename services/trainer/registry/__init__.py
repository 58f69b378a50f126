"""Models after training: merged, exported, imported, and told of by a card."""
