"""`make compare`: whether methods differ on the same images, or only seem to."""
