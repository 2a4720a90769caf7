"""What a paper takes from a report: tables, bibliography, a paragraph on the protocol, figures; all in LaTeX."""
