"""Reports whose every citation has been checked."""
