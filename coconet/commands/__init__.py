"""What each command of `coconet` does: options in, functions called, results told."""
