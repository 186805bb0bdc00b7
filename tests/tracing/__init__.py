"""One trace of a task through API, Redis, workers, agents and model, as a collector gets it."""
