"""The HTTP services of MAST: Portal, missions search and downloads, and their server."""
