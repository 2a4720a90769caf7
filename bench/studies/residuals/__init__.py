"""`make residuals`: whether what a method takes away is the noise that was added."""
