"""The networks: torch modules, imported only when one is built."""
