"""The student network, one part per file. What its users must know of it stands here, free of torch."""

MULTIPLE = 32  # height and width that the network takes
REACH = 10  # cells of the coarsest stride: the receptive-field radius, the prior excluded
PRIOR_STRIDES = (4, 8)  # of the prior; a student has one of them
LIGHT = 1.25  # power of stored values that the first guess looks at (`propagation.to_light`)
EPSILON = 1e-6  # keeps the mean colour of no known pixels finite
PROPAGATION = "erkd.propagation"  # entries of a student.onnx's metadata: colour propagation as ONNX, base64
MARGIN = "erkd.margin"  # the pixels by which tiles overlap
PRIOR_STRIDE = "erkd.prior_stride"  # and the prior's stride, pixels
