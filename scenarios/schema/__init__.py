"""The shape of a scenario file, as pydantic models: one module per section."""
