"""One DVC stage per module: read params, call `erkd`, write outputs."""
