"""Rows to tables to models."""
