"""Compare two sides, base and head: measure them in pairs or read stored runs, then judge them."""
