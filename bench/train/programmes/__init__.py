"""Training in several stages: a module a family of methods, named by `programme` in a recipe."""
