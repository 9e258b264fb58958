"""A second judge: path-traced scenes with exact alpha, in the layout of alphamatting.com (README.md)."""
