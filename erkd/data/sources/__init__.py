"""Where layers come from: one module per source, with list_foregrounds, list_backgrounds and render."""
