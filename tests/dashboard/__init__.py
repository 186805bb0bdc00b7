"""The dashboard: its files, its fold, and itself in a browser."""
