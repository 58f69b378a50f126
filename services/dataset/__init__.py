"""The dataset room: questions and answers in; examples and immutable dataset versions out."""
