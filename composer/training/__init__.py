"""From a folder of MIDI files to a checkpoint."""
