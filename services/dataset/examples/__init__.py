"""Examples: what models are trained on and examined with, and how it is found."""
