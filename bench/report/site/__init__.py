"""`make site`: the public leaderboard, made of what is committed, without any run."""
