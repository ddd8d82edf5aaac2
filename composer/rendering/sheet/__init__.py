"""Sheet music of a score.

hands      which hand plays which note
layout     a staff's notes as voices of chords and rests that one can write
spelling   what a pitch is called in a key
musicxml   the sheet as MusicXML
engraving  MusicXML as pictures and as a PDF
"""
