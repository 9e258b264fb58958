"""The cache of a teacher's dense features: computed once per image, read by training."""
