"""The HTTP edge: routes, who may ask, what an error becomes; docs/http.md lists the routes."""
