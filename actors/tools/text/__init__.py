"""Words, sentences and markup, as all agents read them."""
