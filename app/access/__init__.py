"""Who may do what: principals and their keys, tenants, limits."""
