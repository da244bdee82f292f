"""Files of the Neuromorphic Intermediate Representation (NIR, https://neuroir.org) as networks, and back."""
