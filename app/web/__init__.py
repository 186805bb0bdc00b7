"""URLs and addresses of the web: which may be asked for at all. Pure facts; fetching is in actors/tools/web."""
