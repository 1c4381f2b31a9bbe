"""Checking the columns of a training table while it is made: what is missing and why, what is constant, wild or alike."""
