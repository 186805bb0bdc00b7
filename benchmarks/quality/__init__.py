"""How good are retrieval and reports? Questions and answers over real documents, and what scores them."""
