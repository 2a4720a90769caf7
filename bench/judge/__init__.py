"""Results held against the published numbers: ledger, verdict, footnotes."""
