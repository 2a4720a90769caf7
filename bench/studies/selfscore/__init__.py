"""`make selfscore`: ranking methods without a reference."""
