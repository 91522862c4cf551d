"""Does an exported model answer like the one it was made from?  NumPy only: it runs on the edge."""
