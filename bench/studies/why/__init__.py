"""Why a cell does not give a number that somebody else has: the same cell under other choices, one or two at a time."""
