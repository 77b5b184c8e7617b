"""A simulated telescope: programs, exposures of stars of known place and flux, and the truth."""
