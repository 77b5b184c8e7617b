"""The settings of STScI's pipeline notebooks, each checked; and the notebook of our own docs."""
