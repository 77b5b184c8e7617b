"""Values of pixels and curves as PNG files: stretches, colours, bars, plots."""
