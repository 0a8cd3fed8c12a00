"""What does the network respond to? One module per lecture section: tensors in, tensors out."""
