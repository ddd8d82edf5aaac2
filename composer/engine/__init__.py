"""The model and the loop that decodes many pieces in one batch. Torch lives here, in composer.training and in
composer.audition."""
