"""Since when the chunks of examples are gone."""
