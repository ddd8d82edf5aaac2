"""Everything about music. This level is torch-free; torch lives in composer.engine and composer.training."""
