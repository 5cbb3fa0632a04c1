"""Host keys as values: which are known, which are new, which have changed, and what each means for whoever wants in."""
