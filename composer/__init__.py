"""Everything about music. This level is torch-free; torch lives in composer.engine, composer.training and
composer.audition."""
