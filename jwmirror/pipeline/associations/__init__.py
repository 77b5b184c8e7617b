"""Association files: read, checked and written; and associations made from a pool by jwst."""
