"""Subjects that are wrong on purpose, each in one way; the self-test shows that each is caught by its check."""
