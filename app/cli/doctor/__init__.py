"""`stepstream doctor`: looks at everything from outside, changes nothing, and says what to do."""
