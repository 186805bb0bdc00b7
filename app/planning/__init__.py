"""Goal to plan: the planners and the one validator of plans."""
