"""What the `jwst` pipeline makes: parameters, references, plans, workers."""
