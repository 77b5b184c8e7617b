"""The simulated world outside: telescope, archive, references and star catalogues on loopback."""
