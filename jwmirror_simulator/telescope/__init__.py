"""A simulated telescope: programs, exposures of stars with known position and flux."""
