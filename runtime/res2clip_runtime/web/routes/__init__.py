"""What answers the requests, by subject."""
