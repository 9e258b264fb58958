"""The student network, one part per file. Its constants stand here, so that inference reads them without torch."""

MULTIPLE = 32  # heights and widths that the network accepts are multiples of it, pixels
REACH = 10  # receptive-field radius in cells of the coarsest stride, the prior excluded
PRIOR_STRIDES = (4, 8)  # strides that a prior may have, pixels
PRIOR_GAMMA = 1.25  # exponent of image values in the prior (`propagation.apply_gamma`)
EPSILON = 1e-6  # added to divisors: the mean colour over no known pixels is finite
# Keys of a student.onnx's metadata
PROPAGATION = "erkd.propagation"  # `spread` as ONNX, base64
MARGIN = "erkd.margin"  # overlap of tiles, pixels
PRIOR_STRIDE = "erkd.prior_stride"  # pixels
