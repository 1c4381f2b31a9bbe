"""Built-in stores: where the tables of a build lie."""
