"""The HTTP face: REST, SSE, NDJSON and WebSocket in front of a gRPC channel, all of it read from the descriptors."""
