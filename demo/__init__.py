"""The demo: four runs of the workflow on the simulated observatory, each checked."""
