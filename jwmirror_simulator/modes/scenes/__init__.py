"""One module per mode: its scene, exposures, references, and measurements of its products."""
