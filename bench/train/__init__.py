"""Training and search: recipe, training images, loop, checkpoints, budget, programmes of several stages."""
