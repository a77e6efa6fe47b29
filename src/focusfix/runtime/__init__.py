"""Who executes a network: device, precision and library."""
