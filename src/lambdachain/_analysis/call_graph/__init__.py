"""Who calls whom: the graph of what a survey found, what will not go well in it, and pictures of it."""
