"""A new plugin from the template that is shipped beside this module: whole, tested, to be filled in."""
