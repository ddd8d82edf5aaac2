"""The model and the loop that decodes many pieces in one batch. Torch lives here and in composer.training."""
