"""Where and how code runs: device, processes, signals, the project's folder, mapping over rows."""
