"""Cameras of the instruments: windows, pixels, pointing, and the references written from them."""
