"""The HTTP gateway: a repository as a service, with keys, limits, metrics and an explorer; see docs/gateway.md."""
