"""`make gpu`: what the first half hour with a GPU is for, in steps."""
