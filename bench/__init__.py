"""The harness: plan the cells, run them, score, store, judge and report."""
