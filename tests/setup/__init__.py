"""Set-up that several test modules share: records, mirrors, plans, servers and files."""
