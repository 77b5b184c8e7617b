"""What a generation did to its recalibrated files, in words: flags, noise and pixels."""
