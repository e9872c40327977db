"""A gateway seen from a client: the way there, what its answers must look like, and what its problems are as errors.

Shared by the store of entities (stores/http/), that of files (files/http.py) and the repository over both. Nothing of
httpx leaves this package but as an error of stat7.errors, and no answer is believed that isn't what was promised.
"""
