"""What a memory looks like: its video in pieces, its frames as pictures, and frames found on photos."""
