"""Studies of learning: many seeds of many settings, beside published figures."""
