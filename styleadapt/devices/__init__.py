"""Choice of the device, and settings of the CPU."""
