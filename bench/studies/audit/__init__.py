"""`make audit`: test images in training sets and in other test sets."""
