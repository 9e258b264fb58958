"""Great Expectations over the three tables and their files."""
