"""From a Score to what people hear and see: MP3 (audio) and piano roll (piano_roll)."""
