"""Every published number that can be measured, measured and judged."""
