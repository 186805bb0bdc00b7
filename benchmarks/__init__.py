"""One script per question; benchmarks/README.md has the command and the last result of each."""
