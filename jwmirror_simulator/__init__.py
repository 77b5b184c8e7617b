"""The simulated world outside: a telescope, an archive and a reference server on loopback."""
