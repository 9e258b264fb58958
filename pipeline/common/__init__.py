"""What stages share: options and errors, sets, work that survives a kill."""
