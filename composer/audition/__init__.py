"""Judging models: which checkpoint, or which setting of one, goes on as real music does.

a run's checkpoints
  audition              the whole of it, from the options of `segue audition` to its folder
  openings              what every candidate has to continue, and how those songs really go on
  trials                candidates compose: openings -> pieces
  grid                  a piece -> notes on a grid
  metrics, structureness, copying
                        notes -> figures of one piece
  comparison            figures of many pieces against those of real music (references/)
  choice                the rule that recommends one
  report, page, plot    what was found -> audition.json and index.html (page.css)
"""
