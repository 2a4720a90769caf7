"""The report: one list of columns; tables, charts and pictures of all finished cells."""
