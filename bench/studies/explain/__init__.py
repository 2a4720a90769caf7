"""`make explain`: the linear filters that a network is equivalent to, and its net bias."""
