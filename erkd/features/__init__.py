"""The cache of a teacher's dense features."""
