"""Downloads over HTTP: requests, resumed and verified files."""
