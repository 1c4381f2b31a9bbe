"""What a run found: metrics, verdicts, pages."""
