"""Tables and plots, computed from stored records."""
