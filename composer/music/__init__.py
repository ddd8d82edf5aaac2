"""What music is: parts and bars, their grid, chords and keys, MIDI, and the words that say them. Free of torch.

    MIDI --midi--> Score --grid, chords, encoding--> words --encoding--> Score

The second edition of the words: training speaks it; composing still speaks the first (composer.words).
"""
