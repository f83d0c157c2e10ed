"""The packet parser: bytes to headers and back, no behaviour."""
