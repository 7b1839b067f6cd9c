"""Series for `forecasting`: where they come from, how windows are cut from them, and the classical
forecasts and scores that networks are compared with."""
