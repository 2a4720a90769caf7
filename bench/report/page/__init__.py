"""The page of a report: its data, template, script and pictures."""
