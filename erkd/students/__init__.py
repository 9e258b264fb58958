"""The student network, one part per file. What its users must know of it stands here, free of torch."""

MULTIPLE = 32  # height and width that the network takes
STRIDE = 4  # of the layers that colour propagation makes
PROPAGATION = "erkd.propagation"  # entry of a student.onnx's metadata: colour propagation as ONNX, base64
