"""
What the built-in agents are made of, a package per stage:

    web, retrieval             what is read, and the search in it
    splitting, text            documents as passages, passages as sentences and words
    analysing, contradictions  what passages say about a question, and where they disagree
    drafting, reporting        a report in a model's words or the documents', every citation checked
"""
