"""What decides and what becomes of it: trader, orders, stops, account, audit."""
