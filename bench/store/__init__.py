"""Records on disk, and results: the records of one method gathered over seeds."""
