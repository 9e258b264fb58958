"""The first guess of alpha: classical matting inside the student's graph."""
