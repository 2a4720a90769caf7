"""From a person's words to cells: request, cell and its key, choice of a net, protocol, fingerprints."""
