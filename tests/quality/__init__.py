"""A slice of the evaluation in `benchmarks/quality`, held by a floor."""
