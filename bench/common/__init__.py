"""What every room may use: errors, files and their mirrors, devices, provenance, the parsing of comma lists."""
