"""Commands that ask something else of the same cells."""
