"""The five rooms of Sishu and what they share; one folder a room, the same furniture in each."""
