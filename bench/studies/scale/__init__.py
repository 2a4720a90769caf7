"""`make speed WHAT=scale`: how cost grows with images, cells, records and workers."""
