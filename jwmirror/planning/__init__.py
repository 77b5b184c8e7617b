"""Plans of exposures and associations: results that are out of date, with reasons."""
