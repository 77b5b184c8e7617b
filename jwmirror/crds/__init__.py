"""CRDS: a client of its server, the local cache, bundles of references."""
