"""The site of a mirror: static pages for a browser, without network or server."""
