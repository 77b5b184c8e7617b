"""CRDS: its server, the local cache, bundles of references."""
