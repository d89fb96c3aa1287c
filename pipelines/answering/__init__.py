"""From a question to a checked answer: screen, retrieve, assemble, route, check."""
