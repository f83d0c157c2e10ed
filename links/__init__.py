"""Every link and clock there is: simulated, live, and wrappers around either."""
