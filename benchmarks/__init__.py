"""One file per claim; `python -m benchmarks [NAME …]` runs them. The method is told in docs/benchmarks.md."""
