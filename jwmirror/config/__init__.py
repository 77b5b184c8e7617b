"""config.yaml and the recipes in it."""
