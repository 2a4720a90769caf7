"""The sections of the page that are there where their records or files are: real noise, studies, search, training."""
