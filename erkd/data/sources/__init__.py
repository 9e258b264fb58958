"""Sources of layers, one module each, with `list_foregrounds`, `list_backgrounds` and `render`."""
