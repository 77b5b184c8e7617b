"""The settings of STScI's pipeline notebooks, each checked as a recipe's parameter."""
