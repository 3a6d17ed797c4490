"""Region-adaptive DCT: what a frame is, what a model sees, and the systems that steer the codec."""
