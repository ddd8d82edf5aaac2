"""What the engine is held against: other ways of decoding the same music, each as fast as it can honestly be."""
