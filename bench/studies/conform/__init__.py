"""`make conform`: what any method must do."""
