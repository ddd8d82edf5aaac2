"""The buttons under a piece: how each looks, and what it does when it is pressed, today or after a restart.

    buttons.py      acts, rows and looks, and the grammar of custom ids
    press.py        from a press to what it does
    composing.py    continue, accompany, vary, retry, and go on from what was heard: a new piece from this one
    form.py         what the forms have in common
    again.py        the form with bars, temperature and top-p
    redo.py         the form with bars that are composed again
    chords.py       the form with the piece's chords
    hearing.py      half and double: what was heard, in other bars
    sheet.py        sheet music
    sound.py        the parts, each by itself, and what is new as a loop
    receipt.py      about this piece
    love.py         a heart
    compare.py      a vote for one of two takes, and which was which
    back.py         to the piece that this one came from
    message.py      cancel, delete, deliver: the piece's own message
    forget.py       all of a user's data gone

A new button is a file here with what it does and a line in `press.ACTIONS`, for an act that `buttons.Act` names.
"""
