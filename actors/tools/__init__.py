"""What agents use: documents, full-text index, text analysis, citations."""
