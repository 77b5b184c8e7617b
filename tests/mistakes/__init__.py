"""What people do wrong, and the message that each gets: docs/mistakes.md."""
