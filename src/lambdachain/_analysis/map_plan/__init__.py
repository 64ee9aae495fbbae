"""What a map takes in time, transitions and money: by one process, by a distributed map, and by a queue."""
