"""Making a model: from folders of MIDI files to a checkpoint of the project.

    folders of MIDI files
      sources               which files, and which of them are for validation
      dataset, corpora      files -> words, encoded once and kept: the first edition, the second
      sequences, lessons, tasks
                            words -> sequences to learn from: the first edition, the second
      corruption            slips in what is read, never in what is asked
      carrying              a model of the first edition as the beginning of one of the second
      config, train         sequences -> a run's folder: curves and checkpoints
      card                  a run's checkpoint -> checkpoints/NAME

Whether it is any good, says composer.audition.
"""
