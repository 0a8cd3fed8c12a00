"""What would make it respond this way? One module per lecture section: tensors in, tensors out."""
