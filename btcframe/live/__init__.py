"""A session that lasts: two lanes, what the slow one writes, when it starts and ends."""
