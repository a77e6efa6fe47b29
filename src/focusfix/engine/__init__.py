"""The tile machine: numpy arrays and integers only; knows neither networks nor files."""
