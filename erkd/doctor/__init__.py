"""`erkd doctor`: what is missing, stale, damaged or left over."""
