"""What music is: parts and bars, their grid, chords, keys and roles, MIDI, and the words that say them. Free of torch.

MIDI --midi--> Score --roles, grid, chords, encoding--> words --encoding, joining--> Score
"""
