"""What a frame is and what a model sees; knows nothing of the codec."""
