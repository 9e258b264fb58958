"""Colour profiles whose colours can be said in a line, and images in them."""

import struct
from itertools import product

import numpy as np

from erkd.io.colours import ADOBE_RGB, D65, SRGB, icc, rgb_profile

LINEAR = b"curv\0\0\0\0" + struct.pack(">I", 0)
GREY = icc(b"GRAY", {b"kTRC": LINEAR})  # half the light is half the number
ADOBE = rgb_profile(ADOBE_RGB, D65, 563 / 256)
SWAPPED = rgb_profile((SRGB[1], SRGB[0], SRGB[2]), D65, 2.2)  # what is called red is green


def cmyk_profile() -> bytes:
    """Every ink but black takes a sixth of the lightness, black takes all: colourless."""
    corners = [100 * (1 - key) * (1 - (cyan + magenta + yellow) / 6) for cyan, magenta, yellow, key in CORNERS]
    lab = np.array([[lightness * 2.55, 128, 128] for lightness in corners]).round().astype(np.uint8)
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel())
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * ramp + lab.tobytes() + 3 * ramp
    return icc(b"CMYK", {b"A2B0": table}, b"Lab ")


CORNERS = [*product((0, 1), repeat=4)]
CMYK = cmyk_profile()
