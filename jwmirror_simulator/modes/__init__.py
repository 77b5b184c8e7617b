"""Observing modes other than NIRCam imaging: scenes, exposures, and references."""
