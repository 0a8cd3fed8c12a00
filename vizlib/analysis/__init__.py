"""What does the network respond to? Methods that take tensors and return tensors, and draw nothing."""
