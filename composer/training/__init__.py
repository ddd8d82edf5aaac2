"""Making a model: from folders of MIDI files to a checkpoint of the project.

    folders of MIDI files
      sources               which files, and which of them are for validation
      corpora               files -> words, encoded once and kept
      lessons, tasks        words -> sequences to learn from
      corruption            slips in what is read, never in what is asked
      config, train         sequences -> a run's folder: curves and checkpoints
      card                  a run's checkpoint -> checkpoints/NAME

Whether it is any good, says composer.audition.
"""
