"""Reviews: the queue of examples for people, and what they say of them."""
