"""Files over HTTP: requests, resumed and verified downloads."""
