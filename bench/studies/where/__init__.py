"""`make where`: where errors sit."""
