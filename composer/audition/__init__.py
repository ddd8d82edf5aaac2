"""Judging models: which checkpoint, or which setting of one, goes on as real music does.

    a run's checkpoints
      audition              the whole of it, from the options of `segue audition` to its folder
      openings              what every candidate has to continue, and how those songs really go on
      trials                candidates compose: openings -> pieces
      grid                  a piece -> notes on a grid
      metrics, structureness, copying
                            notes -> figures of one piece
      comparison            figures of many pieces against those of real music (references/)
      bootstrap             how sure a figure is
      long                  long pieces, against whole songs
      blind                 pairs to be told apart by ear -> blind.html, and answers -> a sentence
      critic                how likely it is that music was not composed
      choice                the rule that recommends one
      report                what was found -> audition.json
      page, rows, plot      what was found -> index.html (page.html, page.css)

A model that was made by composer.training is judged by what it composes, not by its loss.
"""
