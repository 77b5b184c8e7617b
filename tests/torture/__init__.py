"""The store under torture: killed, unplugged, filled up, flipped, hurried; nothing may be lost."""
