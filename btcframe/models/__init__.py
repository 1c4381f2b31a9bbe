"""What training leaves behind."""
